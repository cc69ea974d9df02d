"""A supervisor as others see it: what is asked of it, what is looked at, who waits for it."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from attrs import evolve

from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.commands import Reply
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import (
    Called,
    CostReported,
    HurryAsked,
    ShutdownAsked,
    SpendingRestored,
)
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.engine.calls import Call
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.child import ChildLife
from trio_supervisor.engine.loop import Listener, Loop
from trio_supervisor.engine.subtree import SubtreeRuntime
from trio_supervisor.errors import SpecError
from trio_supervisor.output.ring import Ring
from trio_supervisor.runtimes.base import HasCost
from trio_supervisor.spec import ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from trio_supervisor.core.grounds import Ground
    from trio_supervisor.core.look import Look


class Supervisor(Loop):
    """One supervisor. `run()` is its task; everything here only sends facts to it or looks."""

    @property
    def busy(self) -> bool:
        """Whether it has something to do that it does one after the other, or facts to take in."""
        return self._machine.busy or bool(self._inbox)

    @property
    def has_waiting(self) -> bool:
        """Whether it has facts to take in."""
        return bool(self._inbox)

    def wanted(self, child: str) -> ChildSpec | None:
        """What a child is to be, from its next life on at the latest."""
        return self._roster.wanted(child)

    def is_to_be_replaced(self, child: str) -> bool:
        """Whether its present life goes by another spec than the next one will."""
        return self._roster.is_to_be_replaced(child)

    def life(self, child: str) -> ChildLife | None:
        """The present life of a child."""
        return self._lives.get(child)

    def inner(self, child: str) -> "Supervisor | None":
        """The present or last supervisor that is the child of that id; None if it is none, or has never been
        started.
        """
        kept = self.kept(child)
        if kept is None or not isinstance(kept.runtime, SubtreeRuntime):
            return None
        inner = kept.runtime.inner
        assert inner is None or isinstance(inner, Supervisor)
        return inner

    def ring(self, child: str) -> Ring | None:
        """What a child has said lately; None if nobody keeps it."""
        there = child in self._machine.children and not self.over
        return self._world.ring(self.path_of(child), there=there)

    def lost(self, child: str) -> int:
        """How many bytes of what a child has said could not be written to its log files."""
        return self._world.lost(self.path_of(child))

    def look_at(self, child: str) -> "Look":
        """All that the machine knows of why a child is as it is. Raises KeyError."""
        return self._machine.look_at(child, trio.current_time())

    def look_at_limit(self) -> "Ground":
        """The limit of restarts that all children share, and how much of it is used up."""
        return self._machine.look_at_limit(trio.current_time())

    def next_at(self, child: str) -> float | None:
        """When the machine will act on a child by itself, on Trio's clock."""
        return self._machine.deadline_of(child)

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every notice, also of inner supervisors, in order; it must not raise or block."""
        self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """The opposite of `listen`."""
        self._listeners.remove(listener)

    def stop(self, reason: str = "asked to stop", *, in_turn: bool = False, exit_as: Exit | None = None) -> None:
        """Begin the orderly stop of everything; `run()` returns when it is done.

        `in_turn`: in profile otp, only after all that was asked for before. `exit_as`: how its own supervisor is to see
        the end.
        """
        self._stop_asked = reason
        self.exit_as = exit_as or self.exit_as
        self.post(ShutdownAsked(reason, in_turn))

    def hurry(self, reason: str = "asked to hurry") -> None:
        """Stop everything without any grace."""
        self.post(HurryAsked(reason))
        self._hooks.close(0.0)

    def kill(self, reason: str = "killed", *, inner_in_order: bool = False) -> None:
        """Kill everything at once; the end of it is no orderly one (rule 36).

        `inner_in_order`: as in OTP, the inner supervisors are not killed but end in order, with the graces of their
        children.
        """
        if self.ending is None:
            self._killed = True
        self._inner_in_order = inner_in_order
        self.hurry(reason)

    async def start_child(self, spec: ChildSpec | None = None) -> tuple[str, Reply]:
        """Add a child and start it; returns its id and the answer. Without a spec it is an instance of the template.

        Raises:
            SpecError: the child can't be served.
        """
        id, answer = self.post_start(spec)
        return id, await answer()

    def post_start(
        self, spec: ChildSpec | None = None, *, idle: bool = False
    ) -> tuple[str, Callable[[], Awaitable[Reply]]]:
        """The same without waiting: returns the id, and what waits for the answer. `idle`: it is added, not started.

        Raises:
            SpecError: the child can't be served.
        """
        spec = self._spec_to_start(spec)
        self.check_new(spec)
        runtime = self._roster.runtime(spec)
        fact = Called(self._calls.number(), Verb.START, spec.id, self._roster.policy(spec, runtime), idle)
        return spec.id, self._place(Call(spec, runtime), fact).answer

    def check_new(self, spec: ChildSpec) -> None:
        """Raises SpecError: there is one whose id differs only in case."""
        self._roster.check_new(spec.id)

    async def call(self, verb: Verb, child: str = "") -> Reply:
        """Make one of OTP's other calls and wait for the answer."""
        return await self._place(Call(), Called(self._calls.number(), verb, child)).answer()

    def _place(self, call: Call, fact: Called) -> Call:
        self._calls.add(fact.call, call)
        if self._ended.is_set() or not self._begun:
            self._calls.answer(Reply(fact.call, Answer.SHUTTING_DOWN))
        else:
            self.post(fact)
        return call

    def recall_spending(self, spec: ChildSpec) -> None:
        """Have a child that comes again go on with what it had used up of its budget before."""
        if spec.budget and (spent := self.accounts.spendings.spent(self.path_of(spec.id))):
            self.post(SpendingRestored(spec.id, spent))

    def trial_policy(self, spec: ChildSpec) -> ChildPolicy:
        """What the machine would have to know of a child. Raises SpecError: it can't be served."""
        return self._roster.trial_policy(spec)

    def change(self, change: Change) -> None:
        """Go by a new spec from now on; done when what was posted is taken in. Raises SpecError."""
        self.post(self._roster.reconfigured(change))

    def _spec_to_start(self, spec: ChildSpec | None) -> ChildSpec:
        spec = spec or self.spec.template
        if spec is None:
            raise SpecError("start_child needs a spec, as there is no template")
        if self._machine.policy.dynamic:
            spec = evolve(spec, id=self._machine.next_name(spec.id))
        return spec

    async def wait(self) -> None:
        """Wait until nothing is left to run: every child is finished, failed, held or stopped."""
        while not self.all_down and (not self._begun or not self._machine.at_rest or self.busy):
            await self._waiters.park()

    async def wait_over(self) -> None:
        """Wait until nothing of it is left."""
        await self._ended.wait()

    async def wait_change(self) -> None:
        """Wait until facts were taken in, or it is over."""
        await self._waiters.park()

    def at_end(self, call: Callable[[], None]) -> None:
        """Have `call` called when nothing of it is left; at once if that is so already."""
        if self._ended.is_set():
            call()
        else:
            self._at_end.append(call)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Supervisor"]:
        """Run while the block lasts; leaving it, in any way, stops everything first.

        An exception of the block comes out as it is, not in a group.
        """
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.run)
                try:
                    yield self
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    self.stop("the block was left")
                    with trio.CancelScope(shield=True):
                        await self._ended.wait()
        except BaseExceptionGroup as group:
            if failure is None or group.exceptions != (failure,):
                raise
        if failure is not None:
            raise failure

    def report_cost(self, child: str, usd: float) -> None:
        """A child has cost so much more, whether it lives now or not. Raises ValueError for a cost that is none."""
        if not 0 <= usd < math.inf:
            raise ValueError(f"a cost must be >= 0 USD and finite, not {usd}")
        if life := self._lives.get(child):
            life.report(HasCost(usd))
        elif kept := self.kept(child):
            self.post(CostReported(child, usd))
            kept.seat.cost(usd)

    def make_inner(self, child: str, ready: Callable[[], None]) -> "Supervisor":
        """The next life of a child that is a supervisor; `ready` is called when its children are started."""
        # Not of the spec that it had first: what has changed since holds for the next life.
        inner = self._roster.kept[child].spec.run
        assert isinstance(inner, SupervisorSpec)
        return Supervisor(inner, self._world, self.path_of(child), self._tell, ready, self.accounts)
