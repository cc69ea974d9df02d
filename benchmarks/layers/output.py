"""Throughput of the output of `run`: chunks of a child through lines, hub, console and writer into a file.

python benchmarks/layers/output.py [FILE]        # default: the null device
"""

import os
import sys
import time
from collections.abc import Iterator

import trio

from trio_supervisor.cli.console import Console, Format
from trio_supervisor.cli.json_format import JsonFormat
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.text_format import TextFormat
from trio_supervisor.cli.writer import Writer
from trio_supervisor.output.hub import Hub, Stream

TOTAL_BYTES = 256 << 20
LINE = b"2026-11-21 08:00:00,123 INFO  some.module: handled GET /a/b/c status=200 duration=12ms user=abcde\n"
COLOURED = b"\x1b[32mINFO\x1b[0m  some.module: handled GET /a/b/c status=200 duration=12ms user=abcde and some more..\n"


def cases() -> Iterator[tuple[str, bytes, int, Format]]:
    """Name, chunk, how many of the bytes to send, format."""
    text = TextFormat(Style(colour=True), ["researcher", "worker"])
    plain = TextFormat(Style(), ["researcher", "worker"])
    lines = (LINE * 1000)[:65536]
    yield "100-byte lines in chunks of 64 KiB, in colour", lines, TOTAL_BYTES, text
    yield "100-byte lines in chunks of 64 KiB, plain", lines, TOTAL_BYTES, plain
    yield "the same, lines in colour themselves", (COLOURED * 1000)[:65536], TOTAL_BYTES // 8, text
    yield "the same, not ASCII", ("größe " * 16 + "\n").encode() * 580, TOTAL_BYTES // 4, text
    yield "the same, as JSON", lines, TOTAL_BYTES // 8, JsonFormat()
    yield "one 100-byte line a chunk, in colour", LINE, TOTAL_BYTES // 16, text
    yield "64 KiB without a line end, in colour", b"x" * 65536, TOTAL_BYTES, text


async def measure(name: str, chunk: bytes, total: int, format: Format, fd: int) -> None:
    """Send `total` bytes and print how fast they went."""
    writer = Writer(fd, on_broken=lambda error: sys.exit(str(error)))
    hub = Hub()
    console = Console(writer, format)
    sink = hub.sink("researcher")
    count = total // len(chunk)
    with hub.listening(console.record, writer.room):
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            await trio.lowlevel.checkpoint()  # As after a read.
            await hub.room()
            sink(Stream.STDOUT, chunk)
        sink(Stream.STDOUT, b"")
        console.close()
        assert await writer.aclose(60)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    sent = count * len(chunk) / 1e6
    lines = count * chunk.count(b"\n") / 1e6
    sys.stdout.write(f"{name:50} {sent / wall:7.0f} MB/s {lines / wall:6.2f} M lines/s  CPU {cpu / wall:4.0%}\n")


async def main(path: str) -> None:
    """Measure each case once."""
    for name, chunk, total, format in cases():
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        await measure(name, chunk, total, format, fd)
        os.close(fd)


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if len(sys.argv) > 1 else os.devnull)
