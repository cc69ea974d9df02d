"""The commands that are given to one tree: each is written down, begun, and waited for."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import trio

from trio_supervisor.control import asking
from trio_supervisor.control.api import Heard, Operation, Verb, Wait, patience
from trio_supervisor.control.callers import caller
from trio_supervisor.control.looks import locate
from trio_supervisor.control.operations import Looks, Operations, Order
from trio_supervisor.control.register import Register
from trio_supervisor.core.child import Child
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, RequestError, UnknownAgentError
from trio_supervisor.journal.entries import Plain
from trio_supervisor.journal.orders import Order as Recorded

Record = Callable[[Recorded], Awaitable[bool]]
"""Writes a command down, and tells whether it is kept; does not raise, and is bounded."""
Entry = Callable[[], Awaitable[str]]
"""Has a command written down; returns what should be known of that."""
Effect = Callable[[], Awaitable[None]]

_BY_HAND = frozenset({State.STOPPED, State.HELD})
_ENDING_THAT = frozenset({Verb.START, Verb.RESTART, Verb.RESUME, Verb.RESET, Verb.REMOVE})


class Orders:
    """Gives commands, and knows whom they have put down."""

    def __init__(self, top: Supervisor, nursery: trio.Nursery, register: Register, trouble: Callable[[], str]) -> None:
        """`nursery`: where they wait for their effect; `trouble` tells why nothing is kept just now, if so."""
        self.operations = Operations(nursery)
        self.record: Record | None = None
        self._top = top
        self._register = register
        self._trouble = trouble
        self._put_down: set[str] = set()

    def note_put_down(self, agents: Iterable[str]) -> None:
        """These were put down by commands: somebody may want them up again."""
        self._put_down.update(agents)

    @property
    def somebody_is_down(self) -> bool:
        """Whether a child of the top is down because of a command."""
        children = self._top.children
        return any(name in children and children[name].state in _BY_HAND for name in self._put_down)

    def look_at(self, agent: str) -> Looks:
        """How a child is, which may not be there yet."""
        try:
            return _looks(locate(self._top, agent)[1])
        except UnknownAgentError:
            return Looks(0, "not there yet")

    async def give(
        self,
        verb: Verb,
        agent: str,
        effect: Callable[[Supervisor, Child], Awaitable[None]],
        wait: Wait,
        reason: str = "",
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
    ) -> Operation:
        """Give a command to a child that is there. Raises UnknownAgentError, and what `begin` and the effect raise."""
        engine, child = locate(self._top, agent)
        _check_ending(engine, verb, agent)

        async def take_effect() -> None:
            await effect(engine, child)
            if verb in (Verb.STOP, Verb.HOLD, Verb.REMOVE):
                asking.check_killed(engine, child)

        by_hand = child.state in _BY_HAND or child.hold or agent in self._register.paths
        lasts = verb in (Verb.STOP, Verb.HOLD) or (verb in _ENDING_THAT and bool(by_hand))
        look = partial(_looks, child)
        return await self.carry_out(verb, agent, look, take_effect, wait, reason, heard, warnings, lasts=lasts)

    async def carry_out(
        self,
        verb: Verb,
        agent: str,
        look: Callable[[], Looks],
        effect: Effect,
        wait: Wait,
        reason: str = "",
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
        added: Plain = None,
        *,
        lasts: bool = False,
    ) -> Operation:
        """Begin a command, and wait for its effect; `added`: what the next run is to have again, `lasts`: it is to know
        of the command.
        """
        until = seconds(wait)
        # What a reason says by itself, without anybody, is in the verb already.
        reason = "" if reason.endswith(" by hand") else reason
        entry = partial(self.write_down, verb.value, agent, reason, added, lasts=lasts)
        latest = self.operations.latest
        order = self.begin(verb, agent, look, effect, entry, heard, warnings)
        if order.number <= latest:
            # It is under way for somebody else; that this one wants it too is written down all the same.
            await entry()
        return await wait_for(order, until)

    def begin(
        self,
        verb: Verb,
        agent: str,
        look: Callable[[], Looks],
        effect: Effect,
        entry: Entry,
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
    ) -> Order:
        """Begin a command, which takes effect once it is written down; see `Operations.begin`."""
        told = list(warnings)
        order = self.operations.begin(verb, agent, look, partial(_recorded, entry, effect, told), heard, told)
        if verb in (Verb.STOP, Verb.HOLD):
            self._put_down.add(agent)
        elif verb in (Verb.START, Verb.RESTART, Verb.RESUME, Verb.REMOVE):
            self._put_down.discard(agent)
            if verb is not Verb.REMOVE:
                self._register.note_started(agent)
        return order

    async def write_down(self, verb: str, agent: str, reason: str, added: Plain = None, *, lasts: bool = False) -> str:
        """Have it in the journal; returns what should be known of that. `lasts`: the next run is to know of it, too."""
        somebody = caller()
        order = Recorded(verb, agent, reason, somebody.who, somebody.origin, added)
        is_kept = self.record is not None and await self.record(order)
        trouble = self._trouble() or ("" if self.record is None else "the disk has not taken it yet")
        if is_kept or not trouble or not lasts:
            return ""
        return f"not kept for the next run, unless it can be written before the end of this one: {trouble}"


async def _recorded(entry: Entry, effect: Effect, warnings: list[str]) -> None:
    if warning := await entry():
        warnings.append(warning)
    await effect()


async def wait_for(order: Order, until: float) -> Operation:
    """Wait for the end of a command, for so many seconds at the most; raises what it has failed with."""
    with trio.move_on_after(until):
        await order.over.wait()
    if order.error is not None:
        raise order.error
    return order.told()


def seconds(wait: Wait) -> float:
    """How long to wait. Raises RequestError for a time that is none."""
    try:
        return patience(wait)
    except ValueError as error:
        raise RequestError(str(error)) from None


def _looks(child: Child) -> Looks:
    return Looks(child.generation, f"{child.state.value}: {child.reason}" if child.reason else child.state.value)


def _check_ending(engine: Supervisor, verb: Verb, agent: str) -> None:
    if engine.ending is None or verb not in (Verb.START, Verb.RESTART, Verb.RESUME):
        return
    if engine.over and engine.path:
        raise ConflictError(f"{agent}: its supervisor {engine.path} does not run: start that")
    raise ConflictError(f"{agent}: nothing is started any more: {engine.ending.reason}")
