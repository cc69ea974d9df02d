"""The output of a child that has secrets: both streams without them. Times are seconds."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import trio

from trio_supervisor.redaction import SHORTEST, RedactedStream, Redactor
from trio_supervisor.runtimes.base import Stream

HELD_FOR = 0.1
"""The end of a chunk that may be the beginning of a secret is passed on at the latest so long after it came."""

KEPT = 16
"""At least so many values of each secret are hidden: what was its key, a child may still find in old files, and say."""

Output = Callable[[Stream, bytes], None]


class KnownValues:
    """The secrets of one child in all of its lives, the earliest forgotten; it goes from a runtime to its successor."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, None] = {}  # the latest last

    def add(self, secrets: Mapping[str, str]) -> None:
        """Keep these, by name, which are those of the life that begins."""
        for value in secrets.values():
            self._values.pop(value, None)
            self._values[value] = None
        # Those of this life are the latest. So of each there are the last ones, also where only one of them changes.
        excess = len(self._values) - KEPT * len(secrets)
        for value in list(self._values)[: max(0, excess)] if secrets else ():
            del self._values[value]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._values)

    def __iter__(self) -> Iterator[str]:
        """All of them."""
        return iter(self._values)


class RedactedOutput:
    """Stands before the `output` of a `Launch`. `run()` must run for what is held back to be passed on in time."""

    def __init__(self, output: Output, values: Iterable[str]) -> None:
        redactor = Redactor(map(os.fsencode, values))
        self._output = output
        self._redact = redactor.redact_bytes
        self._streams = {stream: RedactedStream(redactor) for stream in (Stream.STDOUT, Stream.STDERR)}
        # When what a stream holds is due. All wait equally long: the order of insertion is the order of time.
        self._due: dict[Stream, float] = {}
        self._held = trio.Event()

    def take(self, stream: Stream, chunk: bytes) -> None:
        """Take in a chunk as it was read; b"" is the end of the stream."""
        redacted = self._streams.get(stream)
        if redacted is None:
            # What the supervisor says comes in whole lines.
            self._output(stream, self._redact(chunk))
            return
        self._due.pop(stream, None)
        shown = redacted.feed(chunk) if chunk else redacted.end()
        if shown:
            self._output(stream, shown)
        if not chunk:
            self._output(stream, b"")
        elif redacted.due:
            self._due[stream] = trio.current_time() + HELD_FOR
            self._held.set()

    async def run(self) -> None:
        """Pass on what is held back when it is due, until cancelled."""
        while True:
            while self._due:
                await trio.sleep_until(next(iter(self._due.values())))
                self._flush_due(trio.current_time())
            self._held = trio.Event()
            await self._held.wait()

    def _flush_due(self, now: float) -> None:
        for stream, due in tuple(self._due.items()):
            if due > now:
                return
            del self._due[stream]
            self._output(stream, self._streams[stream].flush())


def too_short(secrets: dict[str, str]) -> list[str]:
    """The names of those that are too short to be found in what is said: they are not hidden."""
    return [name for name, value in secrets.items() if len(os.fsencode(value)) < SHORTEST]
