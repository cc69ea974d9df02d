"""One file of a configuration as text: read within limits, with the way from an index to line and column."""

import codecs
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

from attrs import define, field, frozen

MAX_BYTES = 1024 * 1024

# What YAML calls a line break, and so what its parser counts as one.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class ReadError(Exception):
    """A file that can't be read; the message says why, without the name of the file."""


@define(eq=False, slots=False)
class Source:
    """The text of one file."""

    shown: str
    """Its name in messages."""
    directory: str
    """Absolute; relative paths in the file start here."""
    text: str
    order: int = 0
    """The place of the file in a report on several."""
    variables: Mapping[str, str] = field(factory=lambda: MappingProxyType({}))
    """What `${...}` stands for in this file."""
    quotable: bool = True
    """Whether its lines may be shown in a report; those of a file that may hold secrets may not."""

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    def position(self, index: int) -> tuple[int, int]:
        """Line and column of an index, both from 1."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (from 1) without its end."""
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\n\r\x85\u2028\u2029")


@frozen
class Place:
    """A piece of a file, from one index up to another."""

    source: Source
    start: int
    end: int

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.shown}:{line}:{column}"


@frozen
class Reference:
    """Another file that a file names."""

    path: str
    """Absolute."""
    shown: str
    """Its name in messages."""
    place: Place
    required: bool = True


class MissingError(ReadError):
    """There is no such file."""


def read_bytes(path: str) -> bytes:
    """The content of a regular file of at most 1 MiB; raises ReadError."""
    try:
        # A named pipe without a writer would block the open for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise MissingError("no such file") from None
    except OSError as error:
        raise ReadError(error.strerror or str(error)) from None
    except ValueError:
        raise ReadError("this can't be the name of a file") from None


def _read(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise ReadError("is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ReadError("is not a regular file")
    data = b""
    while len(data) <= MAX_BYTES and (more := os.read(descriptor, MAX_BYTES + 1)):
        data += more
    if len(data) > MAX_BYTES:
        size = max(status.st_size, len(data))
        raise ReadError(f"has {size:,} bytes; more than {MAX_BYTES:,} (1 MiB) are refused")
    return data


def decode(data: bytes) -> tuple[str, int | None]:
    """The text of a file in UTF-8 without its byte order mark, and the index of the first thing in it that is none."""
    while data.startswith(codecs.BOM_UTF8):
        data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return data.decode("utf-8", "replace"), len(data[: error.start].decode("utf-8"))
