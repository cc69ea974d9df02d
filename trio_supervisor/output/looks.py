"""What a log file looks like: raw, as text with time and name, or as JSON lines. Whole lines, except in raw files."""

from collections.abc import Callable
from datetime import UTC, datetime
from json.encoder import encode_basestring

from trio_supervisor.output.lines import Block, Lines
from trio_supervisor.output.selection import level_name, levels_in
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import LogFormat

Look = Callable[[Stream, Block, float], bytes]
"""Gives for a block, and the time when it came, what is written."""


class Writing:
    """Turns the chunks of one child into what is written to one file."""

    def __init__(self, child: str, format: LogFormat) -> None:
        self._look = None if format is LogFormat.RAW else (_text if format is LogFormat.TEXT else _json)(child)
        self._streams: dict[Stream, Lines] = {}

    def take(self, stream: Stream, chunk: bytes, at: float) -> bytes:
        """What is to be written now; b"" ends the stream. Without a look the chunk itself."""
        if self._look is None:
            return chunk
        lines = self._streams.get(stream)
        if lines is None:
            lines = self._streams[stream] = Lines()
        blocks = lines.feed(chunk) if chunk else lines.end()
        return b"".join([self._look(stream, block, at) for block in blocks])


def note(format: LogFormat, at: float, text: str) -> bytes:
    """What is written into a file about the file itself."""
    if format is LogFormat.JSON:
        return (
            f'{{"ts":"{timestamp(at)}","level":"warning","agent":null,"stream":"{Stream.SUPERVISOR.value}",'
            f'"text":{encode_basestring(text)}}}\n'
        ).encode()
    return f"{timestamp(at)} ... {text}\n".encode()


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_SAID = (Stream.STDOUT, Stream.STDERR)
_OWN = {Stream.SUPERVISOR: "info"}
_SIGNS = {Stream.STDOUT: "|", Stream.STDERR: ":", Stream.LOG: ":", Stream.SUPERVISOR: "*"}


def _text(child: str) -> Look:
    ends = {stream: f" {child} {sign} ".encode() for stream, sign in _SIGNS.items()}

    def look(stream: Stream, block: Block, at: float) -> bytes:
        prefix = timestamp(at).encode() + ends[stream]
        return prefix + block.data.replace(b"\n", b"\n" + prefix) + b"\n"

    return look


def _json(child: str) -> Look:
    name = encode_basestring(child)
    logged: str | None = None

    def look(stream: Stream, block: Block, at: float) -> bytes:
        nonlocal logged
        if stream is Stream.LOG and not block.begun:
            # A record begins with its level; a block of this stream is one record.
            logged = level_name(stream, block.data)
        start, end = f'{{"ts":"{timestamp(at)}","level":', f',"agent":{name},"stream":"{stream.value}","text":'
        texts = [encode_basestring(text) for text in block.data.decode("utf-8", "backslashreplace").split("\n")]
        if stream in _SAID and b"{" in block.data:
            heads = [f"{start}{_quoted(level)}{end}" for level in levels_in(stream, block)]
            lines = "}\n".join([head + text for head, text in zip(heads, texts, strict=True)])
        else:
            head = f"{start}{_quoted(_OWN.get(stream, logged if stream is Stream.LOG else None))}{end}"
            lines = head + f"}}\n{head}".join(texts)
        partial = ',"partial":true' if block.open else ""
        return f"{lines}{partial}}}\n".encode()

    return look


def _quoted(level: str | None) -> str:
    return "null" if level is None else f'"{level}"'
