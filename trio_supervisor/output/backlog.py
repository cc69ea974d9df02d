"""The backlog: how much of what Trio has handed to a thread is still to be done, and who waits for it to become less.

Two counters, each of which only one side writes: nothing is ever locked. Times are seconds.
"""

import time

import trio

PATIENCE = 1.0
"""A thread that gets nothing done for so long is stuck (its disk or its reader is); nobody waits longer than this."""


class Backlog:
    """Bytes on their way to one thread. All but `note_done`, `note_progress` and what is asked for belongs to Trio."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._given = 0  # Bytes ever; written by Trio only.
        self._done = 0  # Bytes ever; written by the thread only.
        self._progress_at = time.monotonic()
        self._roomy: trio.Event | None = None
        self.closed = False
        """Nobody need wait any more."""

    @property
    def pending(self) -> int:
        """So many bytes are still to be done."""
        return self._given - self._done

    @property
    def full(self) -> bool:
        """Whether no more is to be given."""
        return self.pending >= self._limit

    @property
    def has_room(self) -> bool:
        """Whether so much is done that it is worth while to wake who waits."""
        return self.pending <= self._limit // 2

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for room."""
        return self._roomy is not None

    def give(self, size: int) -> None:
        """So much is handed over now."""
        if not self.pending:
            self._progress_at = time.monotonic()
        self._given += size

    async def room(self) -> None:
        """Wait for room, at most `PATIENCE`, and not at all while the thread is stuck.

        No checkpoint where there is room.
        """
        if not self._must_wait:
            return
        with trio.move_on_after(PATIENCE):
            while self._must_wait:
                if self._roomy is None:
                    self._roomy = trio.Event()
                if self.has_room:
                    # The thread may have looked before there was anybody to tell.
                    return
                await self._roomy.wait()

    def tell_room(self) -> None:
        """Wake all who wait."""
        roomy, self._roomy = self._roomy, None
        if roomy is not None:
            roomy.set()

    @property
    def _must_wait(self) -> bool:
        return self.full and not self.closed and time.monotonic() - self._progress_at < PATIENCE

    # In the thread

    def note_done(self, size: int) -> None:
        """So much more is done."""
        self._done += size
        self.note_progress()

    def note_progress(self) -> None:
        """It is not stuck."""
        self._progress_at = time.monotonic()
