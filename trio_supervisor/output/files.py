"""Log files of all children: Trio hands over what is to be written, one thread writes it.

The thread is there as soon as there is a log file, and sleeps while nothing is said. A disk that takes its time holds
up neither children nor supervision: what can't be kept for it is dropped and counted. Times are seconds.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

import trio

from trio_supervisor.output.backlog import Backlog
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import LogFile, LogFormat, LogStream

if TYPE_CHECKING:
    from trio_supervisor.output.appender import Appender

LIMIT_BYTES = 4 << 20
"""So much may wait for the disk."""

_SLICE_BYTES = 1 << 18
# In a flood the next slice is let grow: to be woken for each chunk costs as much again as to write it.
_FLOOD_BYTES = 1 << 14
_PAUSE = 0.0002
_TOO_SLOW = "the disk is too slow"

_Job: TypeAlias = "tuple[Appender, bytes] | tuple[Appender, int] | Callable[[], None] | None"
"""What to write to a file, how much was dropped for it, something else to do, or that this is all."""

_STREAMS = {
    LogStream.BOTH: frozenset(Stream),
    LogStream.STDOUT: frozenset({Stream.STDOUT}),
    LogStream.STDERR: frozenset({Stream.STDERR, Stream.LOG}),
}


class Log:
    """What one child says, on its way into one file."""

    def __init__(self, files: "LogFiles", appender: "Appender", child: str, spec: LogFile) -> None:
        from trio_supervisor.output.looks import Writing  # noqa: PLC0415 -- most runs have no log file

        self._files = files
        self._appender = appender
        self._writing = Writing(child, spec.format)
        self.streams = _STREAMS[spec.stream]
        """What goes into it."""
        if spec.format is LogFormat.RAW:
            self.streams -= {Stream.SUPERVISOR}

    @property
    def lost(self) -> int:
        """How many bytes for its file could never be written."""
        return self._files.lost(self._appender)

    def close(self) -> None:
        """The child is gone, or writes elsewhere."""
        self._files.release(self._appender)

    def take(self, stream: Stream, chunk: bytes, *, dropped: bool = False) -> None:
        """Take in a chunk of one of its streams; b"" ends the stream. `dropped`: only to be counted."""
        if data := self._writing.take(stream, chunk, time.time()):
            self._files.put(self._appender, data, dropped=dropped)


class LogFiles:
    """The log files of one Trio run. `say` is called, by Trio, with a child and what people should know of its file."""

    def __init__(self, directory: str | None, say: Callable[[str, str], None], limit_bytes: int = LIMIT_BYTES) -> None:
        self._directory = directory
        self._say = say
        self._backlog = Backlog(limit_bytes)
        self.room = self._backlog.room
        self._appenders: dict[str, Appender] = {}
        self._users: Counter[Appender] = Counter()
        self._refused: dict[Appender, int] = {}
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._token: trio.lowlevel.TrioToken | None = None
        self._ended = trio.Event()
        self._closed = False

    def open(self, child: str, spec: LogFile) -> Log | None:
        """Where the output of a child goes; None when nobody says which file that is. Nothing is opened before
        something is said. Of a file that several write to, the first one's rotation counts.
        """
        if spec.file is None and self._directory is None:
            self._say(child, "log: there is no directory for logs: name a file")
            return None
        name = os.path.join(self._directory or "", "{id}.log") if spec.file is None else spec.file
        path = os.path.abspath(name.replace("{id}", child))
        appender = self._appenders.get(path)
        if appender is None:
            appender = self._append(path, spec, child)
        self._users[appender] += 1
        return Log(self, appender, child, spec)

    def open_raw(self, path: str, spec: LogFile, opened: Callable[[int], None] | None = None) -> "Appender":
        """A file that takes pieces as they are, for as long as this lasts; `opened`: see `Appender`."""
        return self._append(path, spec, "", opened)

    def _append(self, path: str, spec: LogFile, child: str, opened: Callable[[int], None] | None = None) -> "Appender":
        from trio_supervisor.output.appender import Appender  # noqa: PLC0415 -- the same

        appender = self._appenders[path] = Appender(path, spec, partial(self._tell, child), opened)
        if self._token is None:
            self._token = trio.lowlevel.current_trio_token()
            # A daemon: a write to a disk that is stuck can't be interrupted, and must not hold up the end.
            threading.Thread(target=self._run, name="log files", daemon=True).start()
        return appender

    def release(self, appender: "Appender") -> None:
        """One child less writes to it; after the last one it is closed."""
        self._users[appender] -= 1
        if not self._users[appender]:
            del self._users[appender], self._appenders[appender.path]
            if refused := self._refused.pop(appender, 0):
                self._jobs.put((appender, refused))
            self._jobs.put(appender.finish)

    def lost(self, appender: "Appender") -> int:
        """How many bytes for a file could never be written, or will not be."""
        return appender.lost + self._refused.get(appender, 0)

    @property
    def full(self) -> bool:
        """Whether so much waits already that more is to be dropped. To be asked once for a chunk, whatever number of
        files it goes into: who had room for it before the first has it for all.
        """
        return self._backlog.full

    def put(self, appender: "Appender", data: bytes, *, dropped: bool) -> None:
        """Have it written, or drop and count it."""
        if self._closed or dropped:
            self._refused[appender] = self._refused.get(appender, 0) + len(data)
            return
        if self._refused and appender in self._refused:
            self._jobs.put((appender, self._refused.pop(appender)))
        self._backlog.give(len(data))
        self._jobs.put((appender, data))

    def reopen(self) -> None:
        """Go on in the files that have the names by now: they were moved away (logrotate)."""
        for appender in self._appenders.values():
            self._jobs.put(appender.reopen)

    async def aclose(self, grace: float) -> bool:
        """Write what waits for at most `grace`, and take nothing more; returns whether all was written."""
        if not self._closed:
            for appender, size in self._refused.items():
                self._jobs.put((appender, size))
            self._refused.clear()
            self._jobs.put(None)
        self._closed = self._backlog.closed = True
        if self._token is None:
            return True
        with trio.move_on_after(grace, shield=True):
            await self._ended.wait()
        return self._ended.is_set()

    # In the thread

    def _run(self) -> None:
        more = True
        while more:
            size, more = self._write_some()
            self._backlog.note_done(size)
            if size > _FLOOD_BYTES:
                time.sleep(_PAUSE)
            if self._backlog.awaited and self._backlog.has_room:
                self._in_trio(self._backlog.tell_room)
        for appender in self._appenders.values():
            appender.finish()
        self._in_trio(self._ended.set)

    def _write_some(self) -> tuple[int, bool]:
        """Wait for something to write, and write what there is up to a slice; how many bytes, and whether there will be
        more.
        """
        parts: dict[Appender, list[bytes]] = {}
        size = 0
        job = self._jobs.get()
        while isinstance(job, tuple):
            appender, data = job
            if isinstance(data, int):
                # The count is to stand where the lines would: after what came before them.
                if before := parts.pop(appender, None):
                    appender.write(before)
                appender.lose(data, _TOO_SLOW)
            else:
                parts.setdefault(appender, []).append(data)
                size += len(data)
            if size >= _SLICE_BYTES:
                job = _nothing
                break
            try:
                job = self._jobs.get_nowait()
            except Empty:
                job = _nothing
        for appender, found in parts.items():
            appender.write(found)
        if job is not None and not isinstance(job, tuple):
            job()
        return size, job is not None

    def _tell(self, child: str, text: str) -> None:
        self._in_trio(partial(self._say, child, text))

    def _in_trio(self, call: Callable[[], object]) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(call)
        except trio.RunFinishedError:
            return


def _nothing() -> None:
    """There was nothing else to do."""
