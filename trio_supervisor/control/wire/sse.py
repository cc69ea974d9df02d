"""Server-sent events (HTML standard, section 9.2): numbered, so that a client goes on with the last it has seen."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MEDIA_TYPE = "text/event-stream"


class Message(NamedTuple):
    """One event of a stream."""

    kind: str
    data: bytes


def encode(kind: str, number: int, data: bytes) -> bytes:
    """An event; `data` has no line ends, as JSON has none."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), data)


def comment(text: str) -> bytes:
    """What clients ignore."""
    return f": {text}\n\n".encode()


def decode(lines: Iterable[bytes]) -> Iterator[Message]:
    """The events of a stream that `encode` has written; one that is not over is left out."""
    kind, data = "message", b""
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b": ")
        if name == b"event":
            kind = value.decode()
        elif name == b"data":
            data = value
        elif not name and data:
            yield Message(kind, data)
            kind, data = "message", b""
