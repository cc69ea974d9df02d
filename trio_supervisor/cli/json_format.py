"""The JSON format: for programs. One object per line, `{ts, level, agent, stream, text}`.

- `ts` is RFC 3339 in UTC with milliseconds. `agent` is null where something is not about one of them.
- A line that is not over (yet) has `"partial": true`: the next object of the same agent and stream goes on with it.
- `level` is what the line itself says (a JSON object with a level, a record of `logging`), else null: that something is
  on standard error says nothing of how bad it is.
- The supervisor's objects (stream `supervisor`) have `event`: `state`, `suspect`, `unhealthy`, `recovered`, `status`,
  `note` (about an agent), `warning`, `dropped`, `leftover`, `left_down`, `ended`, or `message` for all else.
- Those about a change of state have `state`, `old`, `reason`, `next_at`, `generation`, `restarts`, `pid`, `port` and
  `exit` besides; `exit` is null, or `{how, code, signal}`.
- Text is UTF-8; bytes that are not come as `\\xff` in it. Control characters are escaped.
"""

import re
from datetime import UTC, datetime
from json import JSONEncoder

from trio_supervisor.cli.console import Cursor, Event
from trio_supervisor.cli.harmless import text_of
from trio_supervisor.output.hub import Record, Stream
from trio_supervisor.output.selection import level_name, levels_in

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# JSON does not ask for it, but terminals take them for commands.
_C1 = re.compile("[\x7f-\x9f]")


class JsonFormat:
    """One object per line; partial lines are objects of their own, so the cursor is never in a line."""

    dull_too = True

    def __init__(self) -> None:
        self._middles: dict[tuple[str, Stream], str] = {}
        self._logged: dict[str, str | None] = {}

    def record(self, record: Record, _cursor: Cursor) -> tuple[bytes, Cursor]:
        """What to write for the record, and where the cursor is afterwards."""
        key = (record.child, record.stream)
        middle = self._middles.get(key)
        if middle is None:
            event = '"event":"note",' if record.stream is Stream.SUPERVISOR else ""
            stream = f'"stream":"{record.stream.value}",{event}'
            middle = self._middles[key] = f',"agent":{_encode(record.child)},{stream}"text":'
        start = f'{{"ts":"{_timestamp(record.at)}","level":'
        texts = text_of(record.block.data).split("\n")
        heads = [f"{start}{_encode(level)}{middle}" for level in self._levels(record)]
        partial = heads.pop() + _encode(texts.pop()) + ',"partial":true}\n' if record.block.open else ""
        whole = "".join([f"{head}{_encode(text)}}}\n" for head, text in zip(heads, texts, strict=True)])
        return _clean(whole + partial), None

    def _levels(self, record: Record) -> list[str | None]:
        match record.stream:
            case Stream.SUPERVISOR:
                return ["info"] * len(record.block.lines)
            case Stream.LOG:
                # A record of `logging` may have several lines, and is told with its first.
                if not record.block.begun:
                    self._logged[record.child] = level_name(record.stream, record.block.data)
                return [self._logged.get(record.child)] * len(record.block.lines)
            case Stream.STDOUT | Stream.STDERR:
                return levels_in(record.stream, record.block)

    def event(self, event: Event, _cursor: Cursor) -> bytes:
        """What to write for the event."""
        fields: dict[str, object] = {
            "ts": _timestamp(event.at),
            "level": event.tone.level,
            "agent": event.child,
            "stream": Stream.SUPERVISOR.value,
            "event": event.name,
            "text": event.text,
        }
        if (notice := event.notice) is not None:
            fields["state"] = notice.new.value
            fields["old"] = notice.old.value
            fields["reason"] = notice.reason
            fields["next_at"] = None if event.next_at is None else _timestamp(event.next_at)
            fields["generation"] = notice.generation
            fields["restarts"] = notice.restarts
            fields["pid"] = event.pid
            fields["port"] = event.port
            ended = notice.exit
            fields["exit"] = ended and {"how": ended.how.value, "code": ended.code, "signal": ended.signal}
        return _clean(_encode(fields) + "\n")

    def close(self, _cursor: Cursor) -> bytes:
        """Nothing: each object ends its line."""
        return b""


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(text: str) -> bytes:
    text = _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    # Lone surrogates can't come from a child, whose bytes are decoded here, but from the text of an exception.
    return text.encode("utf-8", "backslashreplace")
