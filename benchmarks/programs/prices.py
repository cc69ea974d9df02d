"""What is done with a line, each thing alone: microseconds for a line of 98 bytes, in chunks of 64 KiB.

python -m benchmarks.programs.prices [MiB]
"""

import json
import sys
import time
from collections.abc import Callable

from trio_supervisor.output.looks import Writing
from trio_supervisor.output.ring import Ring
from trio_supervisor.output.selection import parse
from trio_supervisor.redaction import RedactedStream, Redactor
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import LogFormat

LINE = b"2026-11-21 08:00:00,123 INFO  some.module: handled GET /a/b/c status=200 duration=12ms user=abcde\n"
CHUNK = LINE * (65536 // len(LINE))
JSON_LINE = b'{"level":"info","time":"2026-11-21T08:00:00","msg":"handled %06d","status":200,"user":"abcdefghij"}'


def each(step: Callable[[bytes], object], chunks: int) -> float:
    """Microseconds for a line; the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(chunks):
            step(CHUNK)
        best = min(best, time.perf_counter() - begun)
    return best / chunks / (len(CHUNK) // len(LINE)) * 1e6


def written(format: LogFormat) -> Callable[[bytes], object]:
    """The way into a file of this format."""
    writing = Writing("researcher", format)
    return lambda chunk: writing.take(Stream.STDOUT, chunk, time.time())


def redacted(secrets: int) -> Callable[[bytes], object]:
    """The way past so many secrets, none of which is there."""
    stream = RedactedStream(Redactor([f"sk-benchmark-{n}-0123456789abcdefghij".encode() for n in range(secrets)]))
    return stream.feed


def parsed(lines: int) -> float:
    """Microseconds for a line that nobody has parsed yet."""
    texts = [JSON_LINE % number for number in range(lines)]
    begun = time.perf_counter()
    for text in texts:
        parse(text)
    return (time.perf_counter() - begun) / lines * 1e6


def main(mebibytes: int) -> dict[str, float]:
    """All of them."""
    chunks = max(1, (mebibytes << 20) // len(CHUNK))
    ring = Ring()
    return {
        "ring": each(lambda chunk: ring.append(Stream.STDOUT, chunk, 1), chunks),
        "text": each(written(LogFormat.TEXT), chunks),
        "json": each(written(LogFormat.JSON), max(1, chunks // 4)),
        **{f"redact{count}": each(redacted(count), chunks) for count in (1, 3, 10)},
        "parse": parsed(mebibytes * 1000),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 32)))
