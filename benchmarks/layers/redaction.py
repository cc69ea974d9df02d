"""Throughput of the redaction of one stream: chunks as they are read from a pipe, with and without secrets in them.

python benchmarks/layers/redaction.py
"""

import random
import string
import time
from collections.abc import Iterator

from trio_supervisor.redaction import RedactedStream, Redactor, Vault

TOTAL_BYTES = 64 << 20
LINE = b"2026-11-21 08:00:00,123 INFO  some.module: handled GET /a/b/c status=200 duration=12ms user=abcde\n"
CHUNK = (LINE * 700)[:65536]
EVENT = (
    "agents/researcher: exit code 1: Traceback (most recent call last): ConnectionError: https://example.org/v1/chat"
)
_LETTERS = (string.ascii_letters + string.digits).encode()


def secret(size: int = 40) -> bytes:
    """A value like an API key."""
    return b"sk-" + bytes(random.choices(_LETTERS, k=size))


def private_key() -> bytes:
    """A value of many lines."""
    lines = b"\n".join(bytes(random.choices(_LETTERS + b"+/", k=64)) for _ in range(26))
    return b"-----BEGIN PRIVATE KEY-----\n" + lines + b"\n-----END PRIVATE KEY-----\n"


def cases() -> Iterator[tuple[str, list[bytes], bytes]]:
    """Name, secrets, chunk."""
    one = secret()
    yield "no secret", [], CHUNK
    for count in (1, 3, 10, 30):
        yield f"{count} of 43 bytes", [secret() for _ in range(count)], CHUNK
    yield "1 of 28 lines (a private key)", [private_key()], CHUNK
    yield "1 of 43 bytes that stands in every chunk", [one], CHUNK[:-100] + one + b"\n"
    yield "1 of 43 bytes, its first half at the end of every chunk", [one], CHUNK[:-20] + one[:20]
    yield "1 of 43 bytes, one 100-byte line a chunk", [one], LINE
    yield "10 of 43 bytes, one 100-byte line a chunk", [secret() for _ in range(10)], LINE


def measure(name: str, values: list[bytes], chunk: bytes) -> None:
    """Print how fast a stream goes through; the best of three."""
    redactor = Redactor(values)
    count = (TOTAL_BYTES if len(chunk) > 1000 else TOTAL_BYTES // 32) // len(chunk)
    best = float("inf")
    for _ in range(3):
        stream = RedactedStream(redactor)
        start = time.perf_counter()
        for _ in range(count):
            stream.feed(chunk)
        best = min(best, time.perf_counter() - start)
    print(f"{name:56} {count * len(chunk) / best / 1e6:9.0f} MB/s  {best / count * 1e6:8.1f} us a chunk")


def measure_vault(count: int) -> None:
    """Print what an event costs that has no secret, when the vault has so many."""
    vault = Vault()
    start = time.perf_counter()
    for _ in range(count):
        vault.add([secret()])
    added = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(1000):
        vault.redact(EVENT)
    took = time.perf_counter() - start
    print(f"vault of {count:5}: {added / count * 1e6:5.1f} us to add one, {took * 1000:6.1f} us for an event")


if __name__ == "__main__":
    random.seed(1)
    for case in cases():
        measure(*case)
    for size in (1, 10, 100, 10_000):
        measure_vault(size)
