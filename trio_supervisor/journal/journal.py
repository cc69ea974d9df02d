"""Trio's side of the journal: takes what has happened without waiting, and orders until they are on the disk.

Whatever becomes of the file, nothing here raises or holds up supervision; what people should know of it is said once.
Times are seconds.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

import trio

from trio_supervisor.journal.entries import Entry, Key, Kind, Memory, Plain
from trio_supervisor.journal.orders import Order, values_of
from trio_supervisor.journal.waiting import LIMIT, Waiting
from trio_supervisor.journal.writer import Listeners, Writer
from trio_supervisor.spec import JournalLimits

ORDER_PATIENCE = 1.0
"""So long an order waits for its record; then it is carried out without: a stuck disk must not keep anybody from
stopping anything.
"""
SECOND_TRY = 0.2
"""So long, where the journal did not work a moment ago: it is tried once more."""
RESTORE_PATIENCE = 2.0
"""So long a run waits for what earlier ones have left."""


class Journal:
    """The journal of one Trio run. `say` is called, by Trio, with what people should know."""

    def __init__(
        self,
        path: str,
        limits: JournalLimits,
        say: Callable[[str], None],
        *,
        fresh: bool = False,
        limit: int = LIMIT,
    ) -> None:
        self.path = path
        self._waiting = Waiting(limit)
        self._say = say
        self._memory: dict[Key, Plain] = {}
        self._loaded = trio.Event()
        self._ended = trio.Event()
        self._dropping = False
        self._closed = False
        self._token = trio.lowlevel.current_trio_token()
        listeners = Listeners(
            say=lambda text: self._in_trio(partial(say, text)),
            remembered=lambda found: self._in_trio(partial(self._take_over, found)),
            renewed=lambda: self._in_trio(self._write_memory),
            ended=lambda: self._in_trio(self._end),
        )
        self._writer = Writer(path, limits, self._waiting, listeners, fresh=fresh)
        self._writer.start()
        self.note(Entry(time.time(), Kind.RUN, reason="begun"))

    # What happens

    def note(self, entry: Entry, values: dict[Key, Plain] | None = None) -> None:
        """Have an entry written soon, and these values remembered with it (None: forget it)."""
        if values:
            self._memory.update(values)
        if self._closed or self._waiting.put(entry, values):
            self._dropping = False
        elif not self._dropping and self._writer.working:
            self._dropping = True
            self._say("journal: more happens than the disk can take; entries are lost")

    async def order(self, order: Order) -> bool:
        """Write down what somebody has asked for, with what is to be restored of it, before it is done; returns whether
        it is on the disk. To be awaited before the effect begins.

        Takes a few milliseconds, at most `ORDER_PATIENCE`; at most `SECOND_TRY` where the journal does not work (it is
        written later then, if it does again).
        """
        written = trio.Event()
        values = values_of(order)
        self._memory.update(values)
        if self._closed:
            return False
        self._waiting.put_urgent(order.entry(time.time()), values, lambda: self._in_trio(written.set))
        with trio.move_on_after(ORDER_PATIENCE if self._writer.working else SECOND_TRY):
            await written.wait()
        return written.is_set()

    @property
    def trouble(self) -> str:
        """Why nothing can be written just now, in words with the file's path; empty if it can."""
        return self._writer.trouble

    # What is remembered

    def remember(self, owner: str, name: str, value: Plain) -> None:
        """Keep a value for the next run; None forgets it. `owner`: the path of a child."""
        self._memory[owner, name] = value
        if not self._closed:
            self._waiting.put(None, {(owner, name): value})

    def recall(self, owner: str, name: str) -> Plain:
        """What was remembered, in this run or an earlier one; None if nothing was. Needs `loaded`."""
        return self._memory.get((owner, name))

    async def loaded(self) -> Memory:
        """Wait until it is known what earlier runs have left, within bounds; returns that."""
        with trio.move_on_after(RESTORE_PATIENCE):
            await self._loaded.wait()
        return self._memory

    def forget(self, keys: Iterable[Key]) -> None:
        """Keep these values no longer."""
        for owner, name in tuple(keys):
            self.remember(owner, name, None)

    # The end

    async def aclose(self, grace: float) -> bool:
        """Write what waits for at most `grace`, and take nothing more; returns whether all was written."""
        if not self._closed:
            self.note(Entry(time.time(), Kind.RUN, reason="ended"))
            self._closed = True
            self._writer.close()
        with trio.move_on_after(grace, shield=True):
            await self._ended.wait()
        return self._ended.is_set() and self._waiting.empty

    # From the thread

    def _take_over(self, found: dict[Key, Plain]) -> None:
        # What was remembered meanwhile is newer.
        self._memory = {**found, **self._memory}
        self._loaded.set()

    def _write_memory(self) -> None:
        if not self._closed:
            self._waiting.put(None, dict(self._memory))

    def _end(self) -> None:
        self._closed = True
        self._ended.set()

    def _in_trio(self, call: Callable[[], object]) -> None:
        try:
            self._token.run_sync_soon(call)
        except trio.RunFinishedError:
            return
