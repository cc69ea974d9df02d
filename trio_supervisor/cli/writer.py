"""The writer: bytes to a terminal, pipe or file that may be slow, stuck or gone; never blocks Trio, never raises.

One thread of its own does nothing but `os.write`. After a small piece it rests a while, and then takes all that has
come: woken by each line it would take the interpreter from Trio a thousand times a second. Times are seconds.
"""

import errno
import os
import select
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

import trio

from trio_supervisor.output.backlog import PATIENCE, Backlog

LIMIT_BYTES = 1 << 20

_SLICE_BYTES = 1 << 16
_SMALL_BYTES = 1 << 13
_REST = 0.01
# The file system has no room at present; that may change, and costs nothing but a try a second meanwhile.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT})
_RETRY_AFTER = 1.0


class Writer:
    """Writes to a file descriptor, which stays the caller's. To be made inside Trio, and closed with `aclose()`.

    `on_broken` is called once, by Trio, when the descriptor is found to be useless for good (closed terminal, closed
    pipe); all that is written from then on goes nowhere.
    """

    def __init__(self, fd: int, on_broken: Callable[[OSError], None], limit_bytes: int = LIMIT_BYTES) -> None:
        self._fd = fd
        self._on_broken = on_broken
        self._backlog = Backlog(limit_bytes)
        self.room = self._backlog.room
        self._token = trio.lowlevel.current_trio_token()
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._problem: str | None = None
        self._closed = False
        self._broken = False
        self._calls: list[Callable[[], None]] = []
        self._ended = trio.Event()
        self._abandoned = threading.Event()
        self._closing = threading.Event()
        # A daemon: the write to a stuck terminal can't be interrupted, and must not hold up the end of the program.
        threading.Thread(target=self._run, name=f"writer of descriptor {fd}", daemon=True).start()

    @property
    def why_full(self) -> str:
        """Why there was no room, for people."""
        if self._problem is not None:
            return self._problem
        return "the terminal is too slow" if _is_terminal(self._fd) else "whoever reads this is too slow"

    def write(self, data: bytes) -> bool:
        """Take `data` in whole, or (False) nothing of it as the buffer is full."""
        if self._closed or self._broken:
            return True
        # Looked at before and not after: one piece may be greater than what is left, or than all there is.
        if self._backlog.full:
            return False
        self._backlog.give(len(data))
        self._queue.put(data)
        return True

    def when_room(self, call: Callable[[], None]) -> None:
        """Call `call` once, by Trio, as soon as half of the buffer is free; for those who were refused."""
        self._calls.append(call)
        self._tell_room_if_there_is()

    async def aclose(self, grace: float) -> bool:
        """Take nothing more, and write what is buffered for at most `grace`; returns whether all of it was written."""
        if not self._closed:
            self._closed = self._backlog.closed = True
            self._queue.put(None)
            self._closing.set()
        with trio.move_on_after(grace, shield=True):
            await self._ended.wait()
        self._abandoned.set()
        return self._ended.is_set() and not self._broken

    def _tell_room_if_there_is(self) -> None:
        """For who has begun to wait just now: the thread may have made its last write, and looked for him, before."""
        if self._backlog.has_room:
            self._token.run_sync_soon(self._tell_room, idempotent=True)

    def _tell_room(self) -> None:
        self._backlog.tell_room()
        calls, self._calls = self._calls, []
        for call in calls:
            call()
        self._problem = None

    def _tell_broken(self, error: OSError) -> None:
        self._tell_room()
        self._on_broken(error)

    # In the thread

    def _run(self) -> None:
        more = True
        while more and not self._abandoned.is_set():
            data, more = self._next()
            try:
                self._write_all(data)
            except OSError as error:
                self._broken = self._backlog.closed = True
                self._in_trio(partial(self._tell_broken, error))
                break
            if len(data) < _SMALL_BYTES:
                self._closing.wait(_REST)
        self._in_trio(self._ended.set)

    def _next(self) -> tuple[bytes, bool]:
        """Wait for data and take what there is of it, up to a slice; and whether there will be more."""
        parts: list[bytes] = []
        size = 0
        item = self._queue.get()
        while item is not None:
            parts.append(item)
            size += len(item)
            if size >= _SLICE_BYTES:
                break
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
        return b"".join(parts), item is not None

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._abandoned.is_set():
            count = self._write_some(view[:_SLICE_BYTES])
            view = view[count:]
            if not count:
                continue
            self._backlog.note_done(count)
            if self._calls or self._backlog.awaited:
                if self._backlog.has_room:
                    self._in_trio(self._tell_room)
            else:
                self._problem = None

    def _write_some(self, data: memoryview) -> int:
        """Write once; 0 when nothing could be written and it is time to try again."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            # Somebody who shares the terminal has made it non-blocking.
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll(PATIENCE * 1000)
            return 0
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            self._problem = os.strerror(error.errno)
            self._abandoned.wait(_RETRY_AFTER)
            return 0

    def _in_trio(self, call: Callable[[], object]) -> None:
        try:
            self._token.run_sync_soon(call, idempotent=True)
        except trio.RunFinishedError:
            self._abandoned.set()


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
