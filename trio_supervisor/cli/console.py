"""The console: what children say, and what happens to them, goes from here to the output of `run` in the chosen format.

When the output refuses a piece, everything is dropped and counted until it has room again; then the count is told.
"""

import time
from collections.abc import Callable
from math import isfinite
from typing import Protocol

from trio_supervisor.cli import wording
from trio_supervisor.cli.wording import About, Tone
from trio_supervisor.control.api import Remark, State, StateChanged
from trio_supervisor.output.hub import Record, Stream
from trio_supervisor.record import record


class Out(Protocol):
    """Where the bytes go (see `trio_supervisor.cli.writer.Writer`)."""

    def write(self, data: bytes) -> bool:
        """Take all of `data`, or nothing (False)."""

    def when_room(self, call: Callable[[], None]) -> None:
        """Call `call` once, when there is room again."""

    @property
    def why_full(self) -> str:
        """Why there was no room, for people."""


@record
class Event:
    """Something that the supervisor says."""

    at: float
    """Seconds since the epoch."""
    text: str
    tone: Tone = Tone.QUIET
    child: str | None = None
    """None: it is not about one child."""
    dull: bool = False
    """For the records, not worth a person's attention."""
    notice: StateChanged | None = None
    next_at: float | None = None
    """`notice.next_at` in seconds since the epoch."""
    name: str = "message"
    """What kind of event it is, for programs."""
    pid: int | None = None
    port: int | None = None


Cursor = tuple[str, Stream] | None
"""Whose partial line the output ends with; None: it ends with a whole line."""


class Format(Protocol):
    """How things look. Has no memory of what was written: it is told where the cursor is."""

    @property
    def dull_too(self) -> bool:
        """Whether it writes what is dull, too."""

    def record(self, record: Record, cursor: Cursor, /) -> tuple[bytes, Cursor]:
        """What to write for the record, and where the cursor is afterwards."""

    def event(self, event: Event, cursor: Cursor, /) -> bytes:
        """What to write for the event: whole lines, or nothing."""

    def close(self, cursor: Cursor, /) -> bytes:
        """What to write so that the output ends with a whole line."""


class _Memory:
    """What was told of a child before."""

    __slots__ = ("reason", "restarts", "started_at", "was_ready")

    def __init__(self) -> None:
        self.started_at: float | None = None
        self.was_ready = False
        self.reason = ""
        self.restarts = 0


class Console:
    """Prints records, changes of state and free text. Nothing here waits or raises."""

    def __init__(self, out: Out, format: Format) -> None:
        self.out = out
        self.format = format
        self._cursor: Cursor = None
        self._dropped = 0
        self._memories: dict[str, _Memory] = {}

    def record(self, record: Record) -> None:
        """Print what a child has said; a listener for `Hub.listening`."""
        data, cursor = self.format.record(record, self._cursor)
        if data:
            self._put(data, cursor, record.block.data.count(b"\n") + (not record.block.open))

    def notice(self, notice: StateChanged, now: float, *, port: int | None = None, pid: int | None = None) -> None:
        """Print a change of state; `now`: the time by the clock of `notice.next_at`."""
        memory = self._memories.setdefault(notice.child, _Memory())
        if notice.new is State.STARTING:
            memory.started_at, memory.was_ready = now, False
        about = About(now, memory.started_at, memory.was_ready, memory.reason, memory.restarts, port, pid)
        at = time.time()
        next_at = at + notice.next_at - now if notice.next_at is not None and isfinite(notice.next_at) else None
        if not (dull := wording.is_dull(notice, about)) or self.format.dull_too:
            text, tone = wording.describe(notice, about), wording.tone(notice, about)
            self._event(Event(at, text, tone, notice.child, dull, notice, next_at, "state", pid, port))
        memory.was_ready |= notice.new is State.READY
        memory.reason = notice.reason
        memory.restarts = notice.restarts
        if notice.new is State.REMOVED:
            del self._memories[notice.child]

    def remark(self, remark: Remark) -> None:
        """Print what is told of a child that stays in its state."""
        text, tone, dull = wording.describe_remark(remark)
        self._event(Event(remark.at, text, tone, remark.agent, dull, name=wording.name_of(remark)))

    def say(self, text: str, *, child: str | None = None, tone: Tone = Tone.QUIET, name: str | None = None) -> None:
        """Print free text of the supervisor, about `child` if given. `name`: what kind of event it is, for programs."""
        self._event(Event(time.time(), text, tone, child, name=name or wording.kind_of(tone)))

    def close(self) -> None:
        """Tell what was dropped, and end the last line; nothing is printed after that."""
        self._go_on()
        if data := self.format.close(self._cursor):
            self._put(data, None, 0)

    def _event(self, event: Event) -> None:
        if data := self.format.event(event, self._cursor):
            self._put(data, None, event.text.count("\n") + 1)

    def _put(self, data: bytes, cursor: Cursor, lines: int) -> None:
        """Write it all, or count its lines as dropped; only what is written moves the cursor."""
        if not self._dropped:
            if self.out.write(data):
                self._cursor = cursor
                return
            self.out.when_room(self._go_on)
        self._dropped += lines

    def _go_on(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if not dropped:
            return
        text = f"... {dropped} line{'s' * (dropped > 1)} dropped: {self.out.why_full}"
        data = self.format.event(Event(time.time(), text, Tone.WARNING, name="dropped"), self._cursor)
        if self.out.write(data):
            self._cursor = None
        else:
            self._dropped = dropped
            self.out.when_room(self._go_on)
