"""Listens to the notifications of a child (sd_notify(3)): READY=1 for its start and its readiness, WATCHDOG=1 for its
health.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.core.facts import Role
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.spec import Notify
from trio_supervisor.telling import Notifications

LATE = 1.0
"""Seconds: who sees the end of a wait so late did not run, and the child neither."""
_SELDOM = 0.25
"""Of the time between two heartbeats: so often at the most it is told that all is well."""


@asynccontextmanager
async def open_notify(_: Notify, target: Target, __: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that answers when the child notifies, or, for its health, when it does not.

    Raises:
        ProbeError: the child can't notify anybody.
    """
    if target.telling is None:
        raise ProbeError("notify: a child of this kind has no socket to notify by")
    notifications = target.telling.notifications
    if target.role is Role.HEALTH:
        watchdog = _Watchdog(notifications, target.period)
        yield OpenProbe(watchdog.ask, waits=True, last=watchdog.last)
    else:
        ready = _Ready(notifications)
        yield OpenProbe(ready.ask, waits=True, last=ready.last)


class _Ready:
    """Tells each change of what the child says of its readiness."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications
        self._told = False

    async def ask(self) -> Answer:
        it = self._notifications
        await trio.lowlevel.checkpoint()
        while it.ready is None or it.ready is self._told:
            await it.change()
        self._told = it.ready
        return self.last()

    def last(self) -> Answer:
        it = self._notifications
        if it.ready is None:
            return Answer(False, "it has not said READY=1 yet")
        return Answer(True, "READY=1", decisive=True) if it.ready else Answer(False, it.why, decisive=True)


class _Watchdog:
    """Tells whether a heartbeat came in each period."""

    def __init__(self, notifications: Notifications, period: float) -> None:
        self._notifications = notifications
        self._period = period
        self._beats = notifications.heartbeats
        self._since = trio.current_time()
        """When the present period began: with the last heartbeat, or with the end of one without."""
        self._told_good = -float("inf")
        """When it was told last that all is well, if nothing else was told since."""
        self._trigger_told = False

    async def ask(self) -> Answer:
        it = self._notifications
        await trio.lowlevel.checkpoint()
        while True:
            if it.trigger and not self._trigger_told:
                self._trigger_told = True
                return Answer(False, "it says that it has failed (WATCHDOG=trigger)", decisive=True)
            period = self._expected
            now = trio.current_time()
            if it.heartbeats != self._beats:
                self._beats, self._since = it.heartbeats, now
                if now - self._told_good >= period * _SELDOM:
                    self._told_good = now
                    return Answer(True, "WATCHDOG=1")
            due = self._since + period
            with trio.move_on_at(due):
                await it.change()
                continue
            self._since = trio.current_time()
            if self._since - due < LATE:
                self._told_good = -float("inf")
                return Answer(False, f"no WATCHDOG=1 within {period:g} s")

    @property
    def _expected(self) -> float:
        """Seconds between heartbeats."""
        watchdog = self._notifications.watchdog
        return self._period if watchdog is None else watchdog

    def last(self) -> Answer:
        it = self._notifications
        if it.trigger:
            return Answer(False, "it says that it has failed (WATCHDOG=trigger)", decisive=True)
        if it.heartbeat_at is None:
            return Answer(False, "it has not said WATCHDOG=1 yet")
        age = trio.current_time() - it.heartbeat_at
        return Answer(age <= self._expected, f"the last WATCHDOG=1 came {age:.1f} s ago, {self._expected:g} s at most")
