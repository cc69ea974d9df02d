"""Which changes of a child's state are worth telling a person: each once, and few of one that flaps.

An outage begins with the first failure and ends when the child was ready for some time without a break. One that fails
again soon after that has to stay ready twice as long each time, so that a child that comes and goes is told of a few
times and not for ever.
"""

import math

from trio_supervisor.core.hook_kind import HookKind
from trio_supervisor.core.notices import StateChanged
from trio_supervisor.core.state import State

LONGEST_SETTLE = 3600.0
"""Seconds that a child that flaps has to stay ready, at the most."""
RELAPSE = 3600.0
"""Who fails within so many seconds after an outage is taken to flap."""

_BAD = frozenset({State.BACKOFF, State.WAITING, State.FAILED, State.HELD})
_DOWN = frozenset({State.FAILED, State.HELD})
_FORGIVEN = frozenset({State.STOPPED, State.FINISHED, State.REMOVED})
_RISES = frozenset({State.WAITING, State.STARTING, *_FORGIVEN})


class Edges:
    """What was told of one child, and what is to be told next. Changed only by its methods."""

    __slots__ = (
        "_counted",
        "_gave_up",
        "_ready_of",
        "_restarting",
        "_settle",
        "_wait",
        "_well_since",
        "down_since",
        "due",
    )

    def __init__(self, settle: float) -> None:
        """`settle`: seconds ready without a break after which an outage is over."""
        self.down_since: float | None = None
        """When the outage began; None: there is none, or it is over."""
        self.due = math.inf
        """When `time_passed` is to be called."""
        self._settle = self._wait = settle
        self._well_since = -math.inf
        self._ready_of = 0
        self._counted: int | None = None
        self._restarting = False
        self._gave_up = False

    def note(
        self,
        change: StateChanged,
        now: float,
        *,
        bad: bool,
        by_hand: bool = False,
        failing_since: float | None = None,
    ) -> list[HookKind]:
        """The edges that a change of state is, in order.

        `bad`: the end that it comes from is a failure. `by_hand`: if it is held, somebody wants that.
        `failing_since`: when the first failed answer to a probe came.
        """
        self.due = math.inf
        # What an earlier run has counted is no news.
        self._restarting |= self._counted is not None and change.restarts > self._counted
        self._counted = change.restarts
        match change.new:
            case State.STARTING if self._restarting:
                self._restarting = self._gave_up = False
                return [HookKind.RESTARTED]
            case State.READY:
                return self._ready(change.generation, now)
            case State.UNHEALTHY:
                return self._failed(now if failing_since is None else failing_since, now)
            case new if new in _RISES:
                self._gave_up = False
        if change.new in _FORGIVEN:
            return self._stopped(change)
        found = self._failed(now, now) if self._is_failure(change, bad=bad) else []
        return found + self._given_up(change, now, by_hand=by_hand, bad=bad)

    def time_passed(self, now: float) -> list[HookKind]:
        """The edges that only time has brought."""
        if now < self.due:
            return []
        self.due = math.inf
        self._well_since = now
        return [HookKind.RECOVERED]

    def resettle(self, settle: float) -> None:
        """An outage is over after another time, also the present one."""
        before = self._wait
        # Who flaps goes on to settle longer.
        self._wait = settle if before == self._settle else max(before, settle)
        self._settle = settle
        self.due += self._wait - before

    def recovered(self) -> None:
        """The end of the outage was told."""
        self.down_since = None

    def _ready(self, generation: int, now: float) -> list[HookKind]:
        found = [HookKind.READY] if generation != self._ready_of else []
        self._ready_of = generation
        if self.down_since is not None:
            self.due = now + self._wait
        return found + self.time_passed(now)

    def _failed(self, since: float, now: float) -> list[HookKind]:
        if self.down_since is not None:
            return []
        self.down_since = since
        flaps = now - self._well_since < RELAPSE
        self._wait = min(self._wait * 2, max(LONGEST_SETTLE, self._settle)) if flaps else self._settle
        return [HookKind.FAILED]

    def _is_failure(self, change: StateChanged, *, bad: bool) -> bool:
        if change.new not in _BAD or change.exit is None or not bad:
            return False
        return self._restarting or change.new in _DOWN

    def _given_up(self, change: StateChanged, now: float, *, by_hand: bool, bad: bool) -> list[HookKind]:
        # Who can't start because of another one has not failed itself; a hold with an end needs nobody.
        failed = change.new is State.FAILED and change.exit is not None and bad
        held = change.new is State.HELD and not by_hand and change.next_at is None
        if self._gave_up or not (failed or held):
            return []
        self._gave_up = True
        return [*self._failed(now, now), HookKind.GAVE_UP]

    def _stopped(self, change: StateChanged) -> list[HookKind]:
        self.down_since = None
        self._restarting = False
        before = _FORGIVEN | _DOWN if change.new is State.REMOVED else _FORGIVEN
        return [HookKind.STOPPED] if change.generation > 0 and change.old not in before else []
