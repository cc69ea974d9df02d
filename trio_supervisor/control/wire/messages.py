"""What somebody who is attached asks for: text messages of a WebSocket, beside what is typed."""

from collections.abc import Mapping

from trio_supervisor.control.wire.fields import Fields, Known, loads, shown
from trio_supervisor.errors import RequestError
from trio_supervisor.record import record

_MESSAGES: Mapping[str, Known] = {
    "resize": {"type": {}, "columns": {"type": "integer"}, "rows": {"type": "integer"}},
    "eof": {"type": {}},
}


@record
class Message:
    """What somebody who is attached asks for."""

    type: str
    columns: int = 0
    rows: int = 0


def message_of(text: str) -> Message:
    """A text message of who is attached. Raises RequestError."""
    data = loads(text.encode("utf-8", "surrogatepass"))
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _MESSAGES:
        raise RequestError(f"the type of a message must be one of {', '.join(_MESSAGES)}, not {shown(kind)}")
    fields = Fields(data, _MESSAGES[kind])
    if kind == "resize":
        return Message(kind, fields.number("columns"), fields.number("rows"))
    return Message(kind)
