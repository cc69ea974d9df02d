"""The hub: all chunks of all children arrive here; they are kept in rings, written to log files, and leave as records
of whole lines to everybody who listens.

A partial line (a prompt) is passed on as far as it has come after `PARTIAL_AFTER`; in the ring it is at once. Nothing
runs while there is none. Times are seconds.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import trio

from trio_supervisor.output.files import Log, LogFiles
from trio_supervisor.output.lines import Block, Lines
from trio_supervisor.output.ring import Ring
from trio_supervisor.output.rings import Rings
from trio_supervisor.record import record
from trio_supervisor.runtimes.base import Stream, a_little_at_once
from trio_supervisor.spec import LogFile, RingLimits, TailLimits

__all__ = ["PARTIAL_AFTER", "Block", "Hub", "Listener", "Record", "Room", "Stream"]

PARTIAL_AFTER = 0.1
"""A partial line is shown at the latest so long after its first byte."""


UNHEARD_AT_ONCE = (1 << 20) - (1 << 13)
"""Bytes that may come at once where nobody listens and there is only the ring, which they fit into, and files."""


@record
class Record:
    """What one chunk of a child has completed."""

    child: str
    stream: Stream
    at: float
    """When it came, in seconds since the epoch."""
    block: Block


Listener = Callable[[Record], None]
Room = Callable[[], Awaitable[None]]
"""Waits until a listener can take more without loss; each bounds its own wait."""

_Key = tuple[str, Stream]
_NO_STREAM: frozenset[Stream] = frozenset()


class _Voice:
    """One child, as far as its output goes."""

    __slots__ = ("child", "generation", "lines", "log_specs", "logs", "quiet", "ring")

    def __init__(self, child: str, ring: Ring) -> None:
        self.child = child
        self.ring = ring
        self.generation = 0
        self.lines: dict[Stream, Lines] = {}
        self.log_specs: tuple[LogFile, ...] = ()
        self.logs: tuple[Log, ...] = ()
        self.quiet = _NO_STREAM


class Hub:
    """Where the output of all children comes together. Belongs to one Trio run; `run()` must run for partial lines."""

    def __init__(self, log_directory: str | None = None, tails: TailLimits | None = None) -> None:
        """`log_directory`: where log files are whose place is not given. `tails`: how much is kept of what removed
        children have said.
        """
        self._rings = Rings(tails=tails)
        self._files = LogFiles(log_directory, self._say)
        self._voices: dict[str, _Voice] = {}
        # When the partial line of a stream is due. All wait equally long: the order of insertion is the order of time.
        self._due: dict[_Key, float] = {}
        self._idle: trio.Event | None = None
        self._listeners: list[Listener] = []
        self._rooms: list[Room] = [self._files.room]

    @contextmanager
    def listening(self, listener: Listener, room: Room | None = None) -> Iterator[None]:
        """Pass every record to `listener` while inside; `room` is asked by those who can wait before they say more."""
        self._listeners.append(listener)
        if room is not None:
            self._rooms.append(room)
        try:
            yield
        finally:
            self._listeners.remove(listener)
            if room is not None:
                self._rooms.remove(room)

    def sink(
        self, child: str, generation: int = 1, log: tuple[LogFile, ...] = (), ring: RingLimits | None = None
    ) -> Callable[[Stream, bytes], None]:
        """The function that takes the chunks of a life of `child` in; b"" ends a stream (another life may go on with
        it). `log`: the files that they are written to; `ring`: how much is kept of it.
        """
        voice = self._voices.get(child)
        if voice is None:
            voice = self._voices[child] = _Voice(child, self._rings.of(child))
        self._rings.limit(child, ring)
        voice.generation = generation
        if voice.log_specs != log:
            self._set_logs(voice, log)
        return partial(self._take, voice)

    def ring(self, child: str, *, there: bool = False) -> Ring | None:
        """What a child has said lately, also for a while after it was removed; of one that is `there`, also before it
        says anything.
        """
        return self._rings.of(child) if there else self._rings.find(child)

    def lost(self, child: str) -> int:
        """How many bytes of what a child has said could not be written to its log files, as they are now."""
        voice = self._voices.get(child)
        return 0 if voice is None else sum(log.lost for log in voice.logs)

    async def room(self) -> None:
        """Wait until every listener can take more, each at most as long as it asks for.

        To be awaited right before a chunk is handed over, without a checkpoint between: who was woken by free room and
        then waits for something else finds that another one has taken it. No checkpoint where there is room.
        """
        for room in tuple(self._rooms):
            await room()

    def at_once(self, child: str, stream: Stream) -> int:
        """How many bytes of a stream to hand over at once, at the most: no more than every listener can take that had
        room for it before, where there is one.
        """
        voice = self._voices.get(child)
        is_heard = bool(self._listeners) and (voice is None or stream not in voice.quiet)
        return a_little_at_once() if is_heard else UNHEARD_AT_ONCE

    def flush(self) -> None:
        """Pass on all partial lines at once."""
        for key in tuple(self._due):
            self._flush(key)

    def forget(self, child: str) -> None:
        """The child is gone: end its streams. Its ring can be read for a while. Harmless if it is unknown."""
        voice = self._voices.pop(child, None)
        if voice is not None:
            for stream, lines in voice.lines.items():
                self._due.pop((child, stream), None)
                self._tell(voice, stream, lines.end())
            for log in voice.logs:
                log.close()
        self._rings.retire(child)

    def reopen_logs(self) -> None:
        """Go on in the log files that have the names by now, as the old ones were moved away."""
        self._files.reopen()

    async def aclose(self, grace: float) -> bool:
        """All has been said: those who follow come to an end, and what waits for the disk is written within `grace`;
        returns whether all of it was.
        """
        self._rings.close()
        return await self._files.aclose(grace)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass partial lines on when they are due, until cancelled."""
        task_status.started()
        while True:
            while self._due:
                await trio.sleep_until(next(iter(self._due.values())))
                self._flush_due(trio.current_time())
            self._idle = trio.Event()
            await self._idle.wait()

    def _take(self, voice: _Voice, stream: Stream, chunk: bytes) -> None:
        voice.ring.append(stream, chunk, voice.generation)
        dropped = self._files.full
        for log in voice.logs:
            if stream in log.streams:
                log.take(stream, chunk, dropped=dropped)
        if stream not in voice.quiet:
            self._cut(voice, stream, chunk)

    def _cut(self, voice: _Voice, stream: Stream, chunk: bytes) -> None:
        lines = voice.lines.get(stream)
        if lines is None:
            if not chunk:
                return
            lines = voice.lines[stream] = Lines()
        blocks = lines.feed(chunk) if chunk else lines.end()
        key = (voice.child, stream)
        if not lines.due:
            self._due.pop(key, None)
        elif blocks or key not in self._due:
            # What was pending before has been passed on: the line that is due now has begun with this chunk.
            self._due.pop(key, None)
            self._due[key] = trio.current_time() + PARTIAL_AFTER
            if self._idle is not None:
                self._idle.set()
        self._tell(voice, stream, blocks)

    def _tell(self, voice: _Voice, stream: Stream, blocks: list[Block]) -> None:
        if not blocks:
            return
        now = time.time()
        for block in blocks:
            record = Record(voice.child, stream, now, block)
            for listener in tuple(self._listeners):
                listener(record)

    def _set_logs(self, voice: _Voice, specs: tuple[LogFile, ...]) -> None:
        for log in voice.logs:
            log.close()
        voice.log_specs = specs
        opened = [(spec, self._files.open(voice.child, spec)) for spec in specs]
        voice.logs = tuple(log for _, log in opened if log is not None)
        quiet = [log.streams for spec, log in opened if log is not None and not spec.console]
        voice.quiet = frozenset().union(*quiet) - {Stream.SUPERVISOR}

    def _say(self, child: str, text: str) -> None:
        """Tell something of the log file of a child; not in that file."""
        voice = self._voices.get(child)
        if voice is None:
            return
        line = text.encode(errors="backslashreplace") + b"\n"
        voice.ring.append(Stream.SUPERVISOR, line, voice.generation)
        self._cut(voice, Stream.SUPERVISOR, line)

    def _flush_due(self, now: float) -> None:
        for key, due in tuple(self._due.items()):
            if due > now:
                return
            self._flush(key)

    def _flush(self, key: _Key) -> None:
        del self._due[key]
        child, stream = key
        voice = self._voices[child]
        self._tell(voice, stream, voice.lines[stream].flush())
