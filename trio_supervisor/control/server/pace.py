"""The pace: how much is served at a time, so that clients can't take the loop away from supervision."""

from collections import OrderedDict

import trio

from trio_supervisor.errors import TooManyRequestsError

RATE = 200.0
"""Requests in a second, in the long run, of all clients of a door together ..."""
BURST = 400.0
CLIENT_RATE = 100.0
"""... and of one of them."""
CLIENT_BURST = 200.0
MOST_CLIENTS = 1000
"""So many are told apart; who has asked nothing for the longest time is forgotten first."""
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


class Paces:
    """A pace for each client, so that a greedy one has none left and the others still do."""

    def __init__(self, rate: float = CLIENT_RATE, burst: float = CLIENT_BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._of: OrderedDict[str, Pace] = OrderedDict()

    async def turn(self, client: str) -> None:
        """Wait for the turn of a client. Raises TooManyRequestsError when that would take too long."""
        pace = self._of.pop(client, None) or Pace(self._rate, self._burst)
        self._of[client] = pace
        if len(self._of) > MOST_CLIENTS:
            self._of.popitem(last=False)
        await pace.turn()
