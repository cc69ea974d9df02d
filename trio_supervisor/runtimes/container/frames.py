"""How an engine tells two streams apart on one connection (Docker Engine API, "Stream format").

A frame is a byte that names the stream, three zeros, the length in four bytes (big-endian), and so many bytes. What a
container with a terminal says comes as it is.
"""

from collections.abc import Iterator

from trio_supervisor.runtimes.base import Stream

_HEAD = 8
_STREAMS = {0: Stream.STDOUT, 1: Stream.STDOUT, 2: Stream.STDERR}


class Frames:
    """Takes bytes in as they come, gives pieces of streams; never waits for the end of a frame."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._stream = Stream.STDOUT
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        """The pieces in what has come. Raises ValueError for what is no frame."""
        view = memoryview(data)
        while view:
            if self._left:
                piece = bytes(view[: self._left])
                self._left -= len(piece)
                view = view[len(piece) :]
                yield self._stream, piece
                continue
            wanted = _HEAD - len(self._head)
            self._head += view[:wanted]
            view = view[wanted:]
            if len(self._head) == _HEAD:
                self._begin()

    def _begin(self) -> None:
        kind, left = self._head[0], int.from_bytes(self._head[4:])
        if kind not in _STREAMS or any(self._head[1:4]):
            raise ValueError(f"what the engine sends is no frame of output: {bytes(self._head)!r}")
        self._stream, self._left = _STREAMS[kind], left
        self._head.clear()
