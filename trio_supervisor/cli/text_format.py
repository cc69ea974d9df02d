"""The text format: for people. `name | what it said`, one colour per agent.

- The sign behind the name tells the stream: `|` standard output and the supervisor, `:` standard error.
- What the supervisor says begins with a dot, in the colour of how good the news is.
- A partial line stands as it is, and goes on in place as long as nobody else says something.
"""

from collections.abc import Iterable

from trio_supervisor.cli.console import Cursor, Event
from trio_supervisor.cli.harmless import harmless, text_of
from trio_supervisor.cli.style import Palette, Style
from trio_supervisor.cli.wording import Tone
from trio_supervisor.output.hub import Record, Stream

SUPERVISOR = "supervisor"
"""The name before what is not about one child."""

_DIM = "2"
_SIGNS = {Stream.STDOUT: "|", Stream.STDERR: ":", Stream.LOG: ":", Stream.SUPERVISOR: "|"}
_STDERR_SIGN = "31"
_TONES = {Tone.QUIET: "2", Tone.GOOD: "32", Tone.WARNING: "33", Tone.BAD: "31"}


class TextFormat:
    """`names`: those that are known from the start; a longer one that comes later widens the column from then on."""

    dull_too = False

    def __init__(self, style: Style, names: Iterable[str] = ()) -> None:
        names = tuple(names)
        self._style = style
        self._palette = Palette(names)
        self._width = max(map(len, names), default=0)
        self._prefixes: dict[tuple[str, Stream], bytes] = {}

    def record(self, record: Record, cursor: Cursor) -> tuple[bytes, Cursor]:
        """What to write for the record, and where the cursor is afterwards."""
        if record.stream is Stream.SUPERVISOR:
            return self.event(Event(record.at, text_of(record.block.data), child=record.child), cursor), None
        key = (record.child, record.stream)
        block, data = record.block, record.block.data
        in_place = block.begun and cursor == key
        if block.begun and not in_place:
            # The rest of a line that has been ended by another one's: if there is none, that was all.
            if not data:
                return b"", cursor
            data = data.removeprefix(b"\n")
        prefix = self._prefix(*key)
        head = b"" if in_place else _end_of_line(cursor) + prefix
        body = harmless(data, colour=self._style.colour).replace(b"\n", b"\n" + prefix)
        return head + body + (b"" if block.open else b"\n"), key if block.open else None

    def event(self, event: Event, cursor: Cursor) -> bytes:
        """What to write for the event: whole lines, or nothing."""
        if event.dull:
            return b""
        dot = "●" if self._style.unicode else "*"
        prefix = self._prefix(event.child or SUPERVISOR, Stream.SUPERVISOR)
        text = harmless(event.text.encode("utf-8", "backslashreplace"), colour=False).decode()
        lines = [self._style.paint(f"{dot} {line}", _TONES[event.tone]).encode() for line in text.split("\n")]
        return _end_of_line(cursor) + b"".join(prefix + line + b"\n" for line in lines)

    def close(self, cursor: Cursor) -> bytes:
        """What to write so that the output ends with a whole line."""
        return _end_of_line(cursor)

    def _prefix(self, name: str, stream: Stream) -> bytes:
        prefix = self._prefixes.get((name, stream))
        if prefix is None:
            if len(name) > self._width:
                self._width = len(name)
                self._prefixes.clear()
            prefix = self._prefixes[name, stream] = self._new_prefix(name, stream)
        return prefix

    def _new_prefix(self, name: str, stream: Stream) -> bytes:
        colour = _DIM if name == SUPERVISOR else self._palette.code(name)
        padded, sign = name.ljust(self._width), _SIGNS[stream]
        if stream in (Stream.STDERR, Stream.LOG):
            return f"{self._style.paint(padded, colour)} {self._style.paint(sign, _STDERR_SIGN)} ".encode()
        return f"{self._style.paint(f'{padded} {sign}', colour)} ".encode()


def _end_of_line(cursor: Cursor) -> bytes:
    return b"" if cursor is None else b"\n"
