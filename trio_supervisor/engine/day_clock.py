"""Waiting for a time of day, or for a span that goes on while the machine sleeps: Trio's clock stands still then."""

import os
import struct
import sys
import time
from enum import Enum

import trio

LOOK_AGAIN = 60.0
"""Seconds: so late a time may be seen to have come where the system has no timer for it."""
_TIMER_ABSTIME, _TIMER_CANCEL_ON_SET = 1, 2  # timerfd_create(2)


class DayClock(Enum):
    """A clock of the system; by its number."""

    DAY = time.CLOCK_REALTIME
    """The time of day, which may be set."""
    SPAN = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    """Nobody sets it."""

    def now(self) -> float:
        """What it shows, in seconds."""
        return time.clock_gettime(self.value)


async def wait_for(clock: DayClock, when: float) -> None:
    """Wait until the clock shows `when`, or was set; who waits looks at it again."""
    timer = _timer(clock, when) if sys.platform == "linux" else None
    if timer is None:
        await trio.sleep(min(LOOK_AGAIN, max(0.0, when - clock.now())))
        return
    try:
        await trio.lowlevel.wait_readable(timer)
    finally:
        trio.lowlevel.notify_closing(timer)
        os.close(timer)


def _timer(clock: DayClock, when: float) -> int | None:
    """A descriptor that can be read when it is time, or (DAY) when the clock was set; None: there is none."""
    import ctypes  # noqa: PLC0415 -- most runs meet no quota

    libc = ctypes.CDLL(None)
    timer: int = libc.timerfd_create(clock.value, os.O_NONBLOCK | os.O_CLOEXEC)
    if timer < 0:
        return None
    seconds = max(0, int(when))
    at = struct.pack("@qqqq", 0, 0, seconds, max(1, int((when - seconds) * 1e9)))
    flags = _TIMER_ABSTIME | (_TIMER_CANCEL_ON_SET if clock is DayClock.DAY else 0)
    if libc.timerfd_settime(timer, flags, at, None) != 0:
        os.close(timer)
        return None
    return timer
