"""The text format of a log file: as that for people, with the time in front of each line, and whole lines only."""

from trio_supervisor.cli.console import Cursor, Event
from trio_supervisor.cli.harmless import harmless
from trio_supervisor.cli.text_format import SUPERVISOR
from trio_supervisor.output.hub import Record, Stream
from trio_supervisor.output.looks import timestamp

_SIGNS = {Stream.STDOUT: "|", Stream.STDERR: ":", Stream.LOG: ":", Stream.SUPERVISOR: "*"}


class TimedFormat:
    """`2026-11-26T20:15:00.000Z name | what it said`; `*` is what the supervisor says. A partial line is a line."""

    dull_too = True

    def record(self, record: Record, _cursor: Cursor) -> tuple[bytes, Cursor]:
        """What to write for the record; the cursor is never in a line."""
        sign = _SIGNS[record.stream]
        return _lines(record.at, record.child, sign, harmless(record.block.data, colour=False)), None

    def event(self, event: Event, _cursor: Cursor) -> bytes:
        """What to write for the event."""
        text = harmless(event.text.encode(errors="backslashreplace"), colour=False)
        return _lines(event.at, event.child or SUPERVISOR, "*", text)

    def close(self, _cursor: Cursor) -> bytes:
        """Nothing: each line is whole."""
        return b""


def _lines(at: float, name: str, sign: str, text: bytes) -> bytes:
    prefix = f"{timestamp(at)} {name} {sign} ".encode()
    return prefix + text.replace(b"\n", b"\n" + prefix) + b"\n"
