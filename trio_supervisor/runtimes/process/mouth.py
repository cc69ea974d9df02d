"""The mouth of a life: what it says is passed on, and the last of it kept."""

from collections.abc import Callable

from trio_supervisor.runtimes.base import Launch, Stream
from trio_supervisor.runtimes.process.last_words import LastWords


class Mouth:
    """Of one life, for all its streams."""

    __slots__ = ("last_words", "launch", "output")

    def __init__(self, launch: Launch, output: Callable[[Stream, bytes], None]) -> None:
        """`output`: where what it says goes, without its secrets."""
        self.launch = launch
        self.output = output
        self.last_words = LastWords()

    def take(self, stream: Stream, chunk: bytes) -> None:
        """Take in what was said in a stream; b"": that was all."""
        self.last_words.add(chunk)
        self.output(stream, chunk)
