"""What waits to be written: handed over by Trio, taken by the thread that writes. Bounded; neither side waits long.

Entries beyond the bound are dropped and counted, orders and values never: beyond the bound there is one value for each
name, and whoever gives an order waits for its record.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from trio_supervisor.journal.entries import Entry, Key, Kind, Plain, row_of

LIMIT = 20_000
"""So many entries may wait."""
AT_ONCE = 1000
"""So many are written in one step."""

Told = Callable[[], None]
"""Called, by the thread, when what goes with it is on the disk."""


_Item = tuple[Entry | None, dict[Key, tuple[Plain, float]], Told | None]


class Batch:
    """What is written together."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.values: dict[Key, tuple[Plain, float]] = {}
        self.told: list[Told] = []

    def make_unicode(self) -> None:
        """Show what is no Unicode (half of a surrogate pair, from a name of a file) as `\\udcff`."""
        self.rows = [tuple([_unicode(one) if isinstance(one, str) else one for one in row]) for row in self.rows]
        self.values = {(_unicode(owner), _unicode(name)): value for (owner, name), value in self.values.items()}

    def __bool__(self) -> bool:
        return bool(self.rows or self.values or self.told)


class Waiting:
    """What waits."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._items: deque[_Item] = deque()
        self._something = threading.Event()
        self._urgent = threading.Event()
        self._ordered = threading.Event()
        """Set until the next try, where what was tried last has failed."""
        self._dropped = 0  # Written by Trio only.
        self._dropped_told = 0  # Written by the thread only.
        self._overflow: dict[Key, tuple[Plain, float]] = {}
        """Values for which there was no room; newer than all in `items`."""
        self._lock = threading.Lock()
        """For `overflow`."""
        self._in_hand = Batch()

    # Trio's side

    def put(self, entry: Entry | None, values: dict[Key, Plain] | None = None) -> bool:
        """Have an entry written with what is to be remembered from then on; False if the entry is dropped."""
        if len(self._items) < self._limit and not self._overflow:
            self._add((entry, _stamped(values), None))
            return True
        self._dropped += entry is not None
        with self._lock:
            self._overflow.update(_stamped(values))
        self._something.set()
        return False

    def put_urgent(self, entry: Entry, values: dict[Key, Plain], told: Told) -> None:
        """The same at once, and never dropped; `told` is called when it is on the disk."""
        self._add((entry, _stamped(values), told))
        self._urgent.set()
        self._ordered.set()

    def hurry(self) -> None:
        """Have what waits written at once."""
        self._urgent.set()
        self._ordered.set()
        self._something.set()

    def _add(self, item: _Item) -> None:
        self._items.append(item)
        if not self._something.is_set():
            self._something.set()

    # The thread's side

    def wait(self, linger: float, timeout: float | None = None) -> None:
        """Wait until there is something, at most `timeout`, and then for what comes with it."""
        if self._something.wait(timeout):
            self._urgent.wait(linger)

    def wait_ordered(self, timeout: float) -> None:
        """Wait until somebody waits for what is to be written, at most `timeout`; what waits already does not count."""
        self._ordered.wait(timeout)
        self._ordered.clear()

    def take(self) -> Batch:
        """The next batch, in order; that of the last time again unless it is `done`."""
        # Cleared before a look is taken: what is put after the look sets it again.
        self._something.clear()
        self._urgent.clear()
        if not self._in_hand:
            self._fill(self._in_hand)
        if self._items:
            self._something.set()
            self._urgent.set()
        return self._in_hand

    def _fill(self, batch: Batch) -> None:
        while self._items and len(batch.rows) < AT_ONCE:
            entry, values, told = self._items.popleft()
            if entry is not None:
                batch.rows.append(row_of(entry))
            batch.values |= values
            if told is not None:
                batch.told.append(told)
        # Behind all that had a place when something was dropped.
        if not self._items:
            with self._lock:
                newer, self._overflow = self._overflow, {}
            batch.values |= newer
            if lost := self._dropped - self._dropped_told:
                batch.rows.append(row_of(_lost(lost)))
                self._dropped_told += lost

    def done(self) -> None:
        """What was taken is on the disk."""
        batch, self._in_hand = self._in_hand, Batch()
        for told in batch.told:
            told()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._items or self._overflow or self._in_hand or self._dropped > self._dropped_told)


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _stamped(values: dict[Key, Plain] | None) -> dict[Key, tuple[Plain, float]]:
    if not values:
        return {}
    now = time.time()
    return {key: (value, now) for key, value in values.items()}


def _lost(count: int) -> Entry:
    reason = f"{count} entries were lost here: they came faster than the disk took them"
    return Entry(time.time(), Kind.LOST, reason=reason)
