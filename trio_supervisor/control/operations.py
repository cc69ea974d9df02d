"""Operations: the commands that were given, each until its effect is there, and for a while after that."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import trio

from trio_supervisor.control.api import AgentChange, Heard, Operation, Phase, Verb
from trio_supervisor.errors import ConflictError, SupervisorError, TooManyRequestsError, UnknownOperationError
from trio_supervisor.record import record

MOST_PENDING = 1000
KEPT = 1000
"""So many that are over can be asked about."""

_GOALS = {
    Verb.START: "up",
    Verb.RESTART: "up",
    Verb.RESUME: "up",
    Verb.STOP: "down",
    Verb.HOLD: "held",
    Verb.REMOVE: "gone",
}
"""What a command wants for good. Two that want different things can't both have it."""


_BUILDING = frozenset({Verb.ADD, Verb.APPLY, Verb.SCALE})


@record
class Looks:
    """How a child is, as far as an operation tells of it."""

    generation: int
    words: str


class Order:
    """A command that was given."""

    changes: tuple[AgentChange, ...] = ()
    """Of APPLY."""

    def __init__(
        self,
        number: int,
        verb: Verb,
        agent: str,
        look: Callable[[], Looks],
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
    ) -> None:
        self.number = number
        self.verb = verb
        self.agent = agent
        self.begun_in = look().generation
        """The life that was the present one then."""
        self.over = trio.Event()
        self.error: SupervisorError | None = None
        self._look = look
        self._heard = heard
        self._warnings = warnings
        self._scope = trio.CancelScope()

    @property
    def generation(self) -> int:
        """The present or last life of the child."""
        return self._look().generation

    def told(self) -> Operation:
        """As others may see it."""
        looks = self._look()
        who = self.agent or "everything"
        if not self.over.is_set():
            words = looks.words if self.verb is Verb.APPLY else f"{who}, now {looks.words}"
            return Operation(
                self.number,
                self.verb,
                self.agent,
                Phase.PENDING,
                looks.generation,
                words,
                changes=self.changes,
                warnings=tuple(self._warnings),
            )
        phase = Phase.DONE if self.error is None else Phase.FAILED
        error = "" if self.error is None else str(self.error)
        heard = self._heard[-1] if self._heard else None
        return Operation(
            self.number,
            self.verb,
            self.agent,
            phase,
            looks.generation,
            error=error,
            heard=heard,
            changes=self.changes,
            warnings=tuple(self._warnings),
        )

    def give_way(self, to: "Order") -> None:
        """Somebody wants something else."""
        if not self.over.is_set():
            words = f"{self.verb.value} has given way to {to.verb.value} (operation {to.number})"
            self.error = ConflictError(f"{self.agent}: {words}" if self.agent else words)
            self._scope.cancel()
            self.over.set()

    async def run(self, effect: Callable[[], Awaitable[None]]) -> None:
        """Wait for the effect."""
        done = False
        try:
            with self._scope:
                await effect()
                done = True
        except SupervisorError as error:
            self.error = self.error or error
        finally:
            if not done and self.error is None:
                who = f"{self.agent}: " if self.agent else ""
                self.error = ConflictError(f"{who}the supervisor has ended before {self.verb.value} was done")
            self.over.set()


class Operations:
    """All of one tree. Their waiting is done in `nursery`, so that who has given a command may go away."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._numbers = count(1)
        self.latest = 0
        """The number of the one that was given last."""
        self._orders: dict[int, Order] = {}
        """The oldest first."""
        self._pending: dict[str, list[Order]] = {}
        """By child, the latest last."""

    def begin(
        self,
        verb: Verb,
        agent: str,
        look: Callable[[], Looks],
        effect: Callable[[], Awaitable[None]],
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
    ) -> Order:
        """Give a command, or join the same one that is under way. One that wants something else gives way.

        `heard` gets what is heard by it, `warnings` what else is to be told of it.

        Raises:
            ConflictError: the child is being removed.
            TooManyRequestsError: too many are under way.
        """
        others = self._still_pending(agent)
        for other in others:
            if self._is_the_same(other, verb):
                return other
            if other.verb is Verb.REMOVE and verb in _GOALS:
                raise ConflictError(f"{agent} is being removed (operation {other.number}); wait until it is gone")
        if sum(map(len, self._pending.values())) >= MOST_PENDING:
            raise TooManyRequestsError(f"{MOST_PENDING} commands are under way; wait until some of them are done")
        order = Order(next(self._numbers), verb, agent, look, heard, warnings)
        for other in others:
            opposed = verb in _GOALS and other.verb in _GOALS and _GOALS[verb] != _GOALS[other.verb]
            if opposed or verb is other.verb is Verb.APPLY:
                other.give_way(order)
        self.latest = order.number
        self._orders[order.number] = order
        self._pending.setdefault(agent, []).append(order)
        self._forget()
        self._nursery.start_soon(self._run, order, effect, name=f"{verb.value} {agent}")
        return order

    @property
    def builds(self) -> trio.Event | None:
        """The end of a command under way that may bring children that are not there yet; None without one."""
        orders = (each for pending in self._pending.values() for each in pending)
        return next((each.over for each in orders if each.verb in _BUILDING and not each.over.is_set()), None)

    def find(self, number: int) -> Order:
        """A command by its number. Raises UnknownOperationError: there is none, or it is long over."""
        if number not in self._orders:
            raise UnknownOperationError(f"there is no operation {number}, or it is long over")
        return self._orders[number]

    def is_pending(self, verb: Verb, agent: str) -> bool:
        """Whether this is being done."""
        return any(each.verb is verb for each in self._still_pending(agent))

    def _still_pending(self, agent: str) -> list[Order]:
        return [each for each in self._pending.get(agent, ()) if not each.over.is_set()]

    @staticmethod
    def _is_the_same(other: Order, verb: Verb) -> bool:
        # A restart whose new life has begun is no answer to who wants a new one now.
        started_anew = verb is Verb.RESTART and other.generation != other.begun_in
        return other.verb is verb and verb in _GOALS | {Verb.SHUTDOWN: ""} and not started_anew

    async def _run(self, order: Order, effect: Callable[[], Awaitable[None]]) -> None:
        try:
            await order.run(effect)
        finally:
            rest = [each for each in self._pending[order.agent] if each is not order]
            if rest:
                self._pending[order.agent] = rest
            else:
                del self._pending[order.agent]

    def _forget(self) -> None:
        while len(self._orders) > KEPT:
            oldest = next(iter(self._orders.values()))
            if not oldest.over.is_set():
                return
            del self._orders[oldest.number]
