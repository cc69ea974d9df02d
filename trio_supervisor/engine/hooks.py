"""Calls the hooks of children: once when one fails, once when it is well again, in order, and apart from all else.

A hook that raises, or takes too long, is told among what the child says; nothing else comes of it.
"""

import inspect
import math
from collections import deque
from collections.abc import Awaitable, Callable

import trio
from attrs import define, field

from trio_supervisor.core.child import Child
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.state import State
from trio_supervisor.spec import Hook, HookCall, HookKind, Hooks
from trio_supervisor.words import one_line

TIMEOUT = 30.0
"""Seconds for one call."""
LAST_CALL = 2.0
"""So many seconds the calls that are under way have at the end of their supervisor."""

_BAD = frozenset({State.BACKOFF, State.WAITING, State.FAILED, State.HELD})
_FORGIVEN = frozenset({State.STOPPED, State.FINISHED, State.REMOVED})


@define
class _Watched:
    restarts: int = 0
    down_since: float | None = None
    calls: deque[HookCall] = field(factory=deque)
    calling: bool = False


class HookCaller:
    """The hooks of all children of one supervisor."""

    def __init__(self, start: Callable[[Callable[[], Awaitable[None]]], None]) -> None:
        """`start` begins a task."""
        self._start = start
        self._watched: dict[str, _Watched] = {}
        self._scopes: set[trio.CancelScope] = set()
        self._last_call = math.inf

    def note(self, path: str, child: Child, hooks: Hooks, change: StateChanged, say: Callable[[str], None]) -> None:
        """A child has changed its state."""
        it = self._watched.setdefault(child.id, _Watched())
        restarted, it.restarts = change.restarts > it.restarts, change.restarts
        now = trio.current_time()
        if change.new is State.READY and it.down_since is not None:
            call = HookCall(HookKind.RECOVERED, path, "ready", change.reason, it.down_since, now - it.down_since)
            it.down_since = None
            self._enqueue(it, hooks, call, say)
        elif it.down_since is None and _is_failure(child, change, restarted=restarted):
            since = change.failing_since if change.new is State.UNHEALTHY else None
            it.down_since = now if since is None else since
            call = HookCall(HookKind.FAILED, path, change.new.value, change.reason, it.down_since, now - it.down_since)
            self._enqueue(it, hooks, call, say)
        elif change.new in _FORGIVEN:
            it.down_since = None

    def forget(self, child: str) -> None:
        """The child is removed."""
        self._watched.pop(child, None)

    def close(self) -> None:
        """The supervisor has ended: calls under way have little time left."""
        self._last_call = trio.current_time() + LAST_CALL
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, self._last_call)

    def _enqueue(self, it: _Watched, hooks: Hooks, call: HookCall, say: Callable[[str], None]) -> None:
        it.calls.append(call)
        if not it.calling:
            it.calling = True
            self._start(lambda: self._call_all(it, hooks, say))

    async def _call_all(self, it: _Watched, hooks: Hooks, say: Callable[[str], None]) -> None:
        """One after the other."""
        try:
            while it.calls:
                call = it.calls.popleft()
                hook = hooks.on_failed if call.kind is HookKind.FAILED else hooks.on_recovered
                if hook is not None:
                    await self._call(hook, call, say)
        finally:
            it.calling = False

    async def _call(self, hook: Hook, call: HookCall, say: Callable[[str], None]) -> None:
        scope = trio.CancelScope(deadline=min(trio.current_time() + TIMEOUT, self._last_call))
        self._scopes.add(scope)
        try:
            with scope:
                answer = hook(call)
                if inspect.isawaitable(answer):
                    await answer
            if scope.cancelled_caught:
                say(f"hook {call.kind.value} did not end in time")
        except Exception as error:  # somebody else's code: what it raises is told, and concerns nobody else
            say(f"hook {call.kind.value} raised {type(error).__name__}: {one_line(str(error))}".rstrip(": "))
        finally:
            self._scopes.discard(scope)


def _is_failure(child: Child, change: StateChanged, *, restarted: bool) -> bool:
    if change.new is State.UNHEALTHY:
        return True
    if change.new not in _BAD or change.exit is None or child.hold:
        return False
    return restarted or change.new in (State.FAILED, State.HELD)
