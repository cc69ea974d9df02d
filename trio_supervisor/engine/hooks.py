"""Calls the hooks of children at the edges that `Edges` tells: in order for each child, and apart from all else.

What goes wrong with a hook is told among what the child says, once until the hook works again; nothing else comes of
it. Of calls that wait because those before them take long, only the last of each kind is kept.
"""

import math
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from trio_supervisor.core.child import Child
from trio_supervisor.core.edges import Edges
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.verdict import Meaning, meaning
from trio_supervisor.engine.delivery import Outbound, deliver
from trio_supervisor.errors import HookError
from trio_supervisor.record import changed, record
from trio_supervisor.spec import Hook, HookCall, HookKind, Hooks
from trio_supervisor.words import one_line

LAST_CALL = 2.0
"""So many seconds the calls that are under way have at the end of their supervisor, within its stop deadline."""
_LINES = 5

Say = Callable[[str], None]


@record
class About:
    """What is told of a child besides its state."""

    path: str
    pid: int | None
    port: int | None


@define(eq=False)
class _Watched:
    hooks: Hooks
    child: Child
    """As it is, or was at last."""
    edges: Edges
    say: Say
    """Tells something among what the child says; that of the present life."""
    last: HookCall | None = None
    calls: deque[HookCall] = field(factory=deque)
    calling: bool = False
    settling: trio.CancelScope | None = None
    failing: bool = False
    """Its present life was stopped as failed."""
    bad: set[tuple[HookKind, int]] = field(factory=set)
    """The hooks of which it was told that they fail."""


class HookCaller:
    """The hooks of all children of one supervisor."""

    def __init__(
        self,
        start: Callable[[Callable[[], Awaitable[None]]], None],
        out: Outbound | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        """`start` begins a task; `out` has the ways out of this program."""
        self._start = start
        self._out = out
        self._redact = redact
        self._watched: dict[str, _Watched] = {}
        self._scopes: set[trio.CancelScope] = set()
        self._last_call = math.inf
        self._by_rule: set[str] = set()

    def held(self, child: str, *, by_rule: bool) -> None:
        """Somebody, or a rule from outside, wants a child held."""
        (self._by_rule.add if by_rule else self._by_rule.discard)(child)

    def note(self, hooks: Hooks, child: Child | None, change: StateChanged, about: About, say: Say) -> None:
        """A child has changed its state; None: it is removed."""
        it = self._watched.get(change.child)
        if it is None:
            if child is None:
                return
            it = self._watched[change.child] = _Watched(hooks, child, Edges(hooks.settle), say)
        it.say = say
        child = it.child = child or it.child
        if change.new in (State.STARTING, State.STOPPING, State.DRAINING):
            it.failing = bool(child.failure)
        now = trio.current_time()
        kinds = it.edges.note(
            change,
            now,
            bad=change.exit is not None and (it.failing or _is_bad(child, change.exit)),
            by_hand=child.desired is not Desired.UP and child.id not in self._by_rule,
            failing_since=child.failing_since,
        )
        it.last = HookCall(
            HookKind.READY,
            about.path,
            change.new.value,
            change.reason,
            now,
            0.0,
            change.generation,
            change.restarts,
            "" if change.exit is None else str(change.exit),
            () if change.exit is None else change.exit.last_lines[-_LINES:],
            about.pid if change.new.alive else None,
            about.port,
        )
        self._tell(it, kinds, now)
        self._settle(it)
        if change.new is State.REMOVED:
            self.forget(child.id)

    def change(self, child: str, hooks: Hooks | None) -> None:
        """Other hooks are written for it: they are called from now on, also for what has begun before. None: none."""
        it = self._watched.get(child)
        if it is None or hooks == it.hooks:
            return
        it.hooks = hooks or Hooks()
        it.bad.clear()
        if hooks is None:
            # Nobody notes its states any more: should it have hooks again, it is seen as if for the first time.
            del self._watched[child]
        it.edges.resettle(it.hooks.settle)
        if it.settling is not None:
            if hooks is None:
                it.settling.cancel()
            else:
                self._settle(it)

    def forget(self, child: str) -> None:
        """The child is removed; what is to be called still is."""
        self._by_rule.discard(child)
        it = self._watched.pop(child, None)
        if it is not None and it.settling is not None:
            it.settling.cancel()

    def close(self, within: float) -> None:
        """The supervisor ends: calls have so many seconds left, or `LAST_CALL`."""
        self._last_call = min(self._last_call, trio.current_time() + min(max(within, 0.0), LAST_CALL))
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, self._last_call)
        for it in self._watched.values():
            if it.settling is not None:
                it.settling.cancel()

    # When

    def _settle(self, it: _Watched) -> None:
        """Wait for what only time will bring."""
        if it.settling is not None:
            it.settling.cancel()
            it.settling = None
        if it.edges.due == math.inf or self._last_call < math.inf:
            return
        scope = it.settling = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await trio.sleep_until(it.edges.due)
                it.settling = None
                self._tell(it, it.edges.time_passed(trio.current_time()), trio.current_time())

        self._start(wait)

    def _tell(self, it: _Watched, kinds: list[HookKind], now: float) -> None:
        assert it.last is not None
        for kind in kinds:
            down_since = it.edges.down_since
            since = now if down_since is None or kind in (HookKind.READY, HookKind.RESTARTED) else down_since
            if kind is HookKind.RECOVERED:
                it.edges.recovered()
            if it.hooks.of(kind):
                at, name = time.time(), os.urandom(8).hex()
                call = changed(it.last, kind=kind, since=since, lasted=now - since, at=at, id=name)
                self._enqueue(it, call)

    def _enqueue(self, it: _Watched, call: HookCall) -> None:
        """Put it in the queue, in the place of one of its kind that waits still."""
        for older in it.calls:
            if older.kind is call.kind:
                it.calls.remove(older)
                call = changed(call, left_out=older.left_out + 1)
                break
        it.calls.append(call)
        if not it.calling:
            it.calling = True
            self._start(lambda: self._call_all(it))

    # The calls

    async def _call_all(self, it: _Watched) -> None:
        """One after the other."""
        try:
            while it.calls:
                call = it.calls.popleft()
                if call.left_out:
                    what = f"{call.left_out} earlier call{'s' * (call.left_out > 1)} left out"
                    it.say(f"hook {call.kind.value}: {what}, as those before took too long")
                async with trio.open_nursery() as nursery:
                    for number, hook in enumerate(it.hooks.of(call.kind)):
                        nursery.start_soon(self._call, it, number, hook, call)
        finally:
            it.calling = False

    async def _call(self, it: _Watched, number: int, hook: Hook, call: HookCall) -> None:
        which, failure = (call.kind, number), ""
        scope = trio.CancelScope(deadline=self._last_call)
        self._scopes.add(scope)
        try:
            with scope:
                await deliver(hook, call, self._out, self._redact)
            if scope.cancelled_caught:
                it.say(f"hook {call.kind.value} was cut off, as its supervisor ends")
                return
        except HookError as error:
            failure = str(error)
        except Exception as error:  # whatever goes wrong in telling somebody is a fact, and concerns nobody else
            failure = f"{type(error).__name__}: {one_line(str(error))}".rstrip(": ")
        finally:
            self._scopes.discard(scope)
        if not failure:
            it.bad.discard(which)
        elif which not in it.bad:
            it.bad.add(which)
            it.say(f"hook {call.kind.value} {'' if failure.startswith(_VERBS) else 'failed: '}{failure}")


_VERBS = ("raised ", "did not ")


def _is_bad(child: Child, exit: Exit) -> bool:
    return meaning(exit, child.policy.exit_codes) in (Meaning.BAD, Meaning.HOLD)
