"""The pace: how much is served at a time, so that clients can't take the loop away from supervision."""

import trio

from trio_supervisor.errors import TooManyRequestsError

RATE = 200.0
"""Requests in a second, in the long run."""
BURST = 400.0
PATIENCE = 1.0
"""A request waits for its turn so many seconds at the most."""


class Pace:
    """A token bucket. One client that asks again and again is slowed down; many that do are refused."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._empty_at = trio.current_time() - burst / rate
        """When the bucket would have been empty, had it been filled since without a limit."""

    async def turn(self) -> None:
        """Wait for one's turn. Raises TooManyRequestsError when that would take too long."""
        now = trio.current_time()
        start = max(self._empty_at, now - self._burst / self._rate) + 1 / self._rate
        if start > now + PATIENCE:
            raise TooManyRequestsError(f"more than {self._rate:g} requests a second; try again in a second")
        self._empty_at = start
        if start > now:
            await trio.sleep_until(start)
