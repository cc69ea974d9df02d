"""Redaction: puts a mark in the place of secret values in what is said, also encoded and across chunk borders.

Every byte of every occurrence is hidden, also where occurrences overlap. Values of less than `SHORTEST` bytes are left
alone: they would be found by chance everywhere.
"""

import re
from base64 import b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from json.encoder import encode_basestring, encode_basestring_ascii
from urllib.parse import quote_from_bytes, quote_plus

MARK = b"[redacted]"
SHORTEST = 8
"""Bytes; a shorter value, or a shorter line of a value, is not looked for."""
HELD = 4
"""Bytes; what ends in so many leading bytes of a secret waits for more. Less comes by chance too often: a prompt would
be late.
"""
FEW = 12
"""Up to so many forms of secrets (four for each) a search for one after the other is fast enough."""
VAULT_BYTES = 16 << 20
"""At most so many bytes of values are kept for a run, each counted as `VALUE_OVERHEAD` bytes longer."""
VALUE_OVERHEAD = 100

_URL_SAFE_ALPHABET = bytes.maketrans(b"+/", b"-_")
_KEPT_IN_URLS = ("", "/", "!'()*")
"""What a URL encoder may leave as it is, besides letters, digits and `_.-~`: nothing, as `quote`, as JavaScript."""

_ESCAPED_FOR_HTML = re.compile("[<>&]")
"""By Go's encoder of JSON, and others, in strings."""

_Span = tuple[int, int]
"""First place, and the one after the last."""


class Redactor:
    """Hides the given values; immutable."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self._patterns = _Patterns()
        for value in values:
            self._patterns.add(value)
        self._patterns.prepare()
        patterns = self._patterns.all
        self._joined = b"".join(patterns)
        self._starts = [0, *accumulate(map(len, patterns))]
        self._first_bytes = {pattern[:size] for pattern in patterns for size in range(1, HELD)}

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._joined)

    def redact(self, text: str) -> str:
        """The text without secrets; the same object if there were none."""
        return self._patterns.redact(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes without secrets; the same object if there were none."""
        return _hide(data, self._patterns.spans(data))

    def spans(self, data: bytes) -> list[_Span]:
        """Where secrets are, in order, those that overlap as one."""
        return self._patterns.spans(data)

    def begun(self, data: bytes) -> int:
        """How many bytes at the end are the beginning of a secret, at the most; 0 for a whole one."""
        longest = 0
        end = data[-HELD:]
        at = self._joined.find(end) if len(end) == HELD else -1
        while at >= 0:
            which = bisect_right(self._starts, at) - 1
            start, stop = self._starts[which], self._starts[which + 1]
            size = at + HELD - start
            if longest < size < stop - start and data.endswith(self._joined[start : at + HELD]):
                longest = size
            at = self._joined.find(end, at + 1)
        ends = (data[-size:] for size in range(HELD - 1, 0, -1))
        return longest or next((len(end) for end in ends if end in self._first_bytes), 0)


class RedactedStream:
    """Redacts one stream chunk by chunk.

    What it gives is what redaction of the whole would give, except where a chunk ended within the first bytes of a
    secret: less than `HELD` of them stand before the mark, and less than `SHORTEST` if `flush` gave them.
    """

    __slots__ = ("_marked", "_passed", "_redactor", "_tail")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._tail = b""  # the longest end of what has come that is the beginning of a secret
        self._passed = 0  # so many bytes of the tail have been passed on, or hidden by a mark
        self._marked = False  # a mark is the last thing that was passed on

    @property
    def due(self) -> bool:
        """Whether something is held that `flush()` would pass on."""
        return self._passed < len(self._tail) < SHORTEST

    def feed(self, chunk: bytes) -> bytes:
        """Take in a chunk; returns what can be passed on, which may be nothing. Without secrets the chunk itself."""
        if not self._redactor or not chunk:
            return chunk
        data = self._tail + chunk if self._tail else chunk
        spans = self._redactor.spans(data)
        begun = len(data) - self._redactor.begun(data)
        until = len(data) if len(data) - begun < HELD else max(begun, self._passed)
        # A secret that reaches into the held end can be hidden now.
        until = next((end for start, end in spans if start <= until < end), until)
        given = self._pass_on(data, spans, until)
        self._tail = data[begun:]
        self._passed = until - begun
        return given

    def flush(self) -> bytes:
        """Give what is held if it is so short that it may be there by chance; what follows is still recognised.

        A longer one is a secret cut off, and waits.
        """
        return self._give_up() if self.due else b""

    def end(self) -> bytes:
        """The stream is over: give what is held; of what is no accident any more, as it is long, only a mark."""
        given = self._give_up() if len(self._tail) < SHORTEST or self._passed else self._mark_of_tail()
        self._tail, self._passed, self._marked = b"", 0, False
        return given

    def _mark_of_tail(self) -> bytes:
        return b"" if self._marked else MARK

    def _give_up(self) -> bytes:
        given = self._pass_on(self._tail, self._redactor.spans(self._tail), len(self._tail))
        self._passed = len(self._tail)
        return given

    def _pass_on(self, data: bytes, spans: list[_Span], until: int) -> bytes:
        at = self._passed
        if not spans and not at and until == len(data):
            self._marked = False
            return data
        given = []
        for start, end in spans:
            if start >= until:
                break
            if end <= at:
                continue
            if start > at:
                given.append(data[at:start])
            if start >= at or not self._marked:
                given.append(MARK)
            self._marked = True
            at = end
        if at < until:
            given.append(data[at:until])
            self._marked = False
        return b"".join(given)


class Vault:
    """The secrets of all children of one run, those of earlier lives too: an old value in a late message is one still.

    When they are more than `VAULT_BYTES`, the older half is forgotten.
    """

    def __init__(self) -> None:
        self._patterns = _Patterns()
        self._values: dict[bytes, None] = {}  # the latest last
        self._size = 0

    def add(self, values: Iterable[bytes]) -> None:
        """Keep these too."""
        for value in values:
            if value in self._values:
                del self._values[value]
            else:
                self._patterns.add(value)
                self._size += len(value) + VALUE_OVERHEAD
            self._values[value] = None
        if self._size > VAULT_BYTES:
            self._forget_the_older_half()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._values)

    def redact(self, text: str) -> str:
        """The text without any of the secrets; the same object if there were none."""
        return self._patterns.redact(text)

    def _forget_the_older_half(self) -> None:
        latest = list(self._values)[len(self._values) // 2 :]
        self._patterns, self._values, self._size = _Patterns(), {}, 0
        self.add(latest)


class _Patterns:
    """All that is looked for."""

    def __init__(self) -> None:
        self.all: dict[bytes, None] = {}
        self._needed: dict[bytes, None] = {}  # where none of these is, none of all is
        self._by_start: dict[bytes, list[bytes]] = {}
        self._find: Callable[[bytes], Sequence[object]] | None = None  # those that are needed, where they are

    def add(self, value: bytes) -> None:
        forms = set(_forms(value))
        for form in forms:
            if form not in self.all:
                self.all[form] = None
                self._by_start.setdefault(form[:SHORTEST], []).append(form)
            if not any(other in form for other in forms if other != form):
                self._needed[form] = None

    def redact(self, text: str) -> str:
        if not self.all:
            return text
        errors = "surrogateescape"
        try:
            data = text.encode(errors=errors)
        except UnicodeEncodeError:  # it has surrogates that stand for no byte
            errors = "surrogatepass"
            data = text.encode(errors=errors)
        spans = self.spans(data)
        return _hide(data, spans).decode(errors=errors) if spans else text

    def spans(self, data: bytes) -> list[_Span]:
        # By far the most time goes into this line. A search for each is fastest, unless there are very many.
        if len(self._needed) <= len(data):
            found = self._search(data) if self._is_any_in(data) else ()
        else:
            found = self._look_up(data)
        return _united(found)

    def prepare(self) -> None:
        """Nothing will be added any more: search for all at once, where there is something installed that can."""
        if len(self._needed) <= FEW:
            return
        try:
            from ahocorasick_rs import BytesAhoCorasick  # noqa: PLC0415 -- optional, and mostly there are few secrets
        except ImportError:
            return
        self._find = BytesAhoCorasick(self._needed).find_matches_as_indexes

    def _is_any_in(self, data: bytes) -> bool:
        if self._find is not None:
            return bool(self._find(data))
        return any(pattern in data for pattern in self._needed)

    def _search(self, data: bytes) -> Iterator[_Span]:
        for pattern in self.all:
            size = len(pattern)
            at = data.find(pattern)
            while at >= 0:
                yield at, at + size
                # Of those that overlap with this one the last is enough: together they hide all between.
                overlapping = data.rfind(pattern, at + 1, at + 2 * size - 1)
                at = overlapping if overlapping >= 0 else data.find(pattern, at + size)

    def _look_up(self, data: bytes) -> Iterator[_Span]:
        for at in range(len(data) - SHORTEST + 1):
            for pattern in self._by_start.get(data[at : at + SHORTEST], ()):
                if data.startswith(pattern, at):
                    yield at, at + len(pattern)


def _forms(value: bytes) -> Iterator[bytes]:
    """The value in every form that is looked for."""
    if len(value) < SHORTEST:
        return
    yield value
    yield from (line for line in map(bytes.strip, value.splitlines()) if len(line) >= SHORTEST)
    yield from _json_forms(value)
    for form in _base64_forms(value):
        yield form
        yield form.translate(_URL_SAFE_ALPHABET)
    for kept in _KEPT_IN_URLS:
        for encoded in (quote_from_bytes(value, kept), quote_plus(value, kept)):
            yield encoded.encode()
            yield re.sub("%..", lambda code: code[0].lower(), encoded).encode()


def _json_forms(value: bytes) -> Iterator[bytes]:
    """What stands for it within a string of JSON (RFC 8259, section 7): all beyond ASCII escaped, or nothing of it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return
    for encode in (encode_basestring_ascii, encode_basestring):
        form = encode(text)[1:-1]
        yield form.encode()
        yield _ESCAPED_FOR_HTML.sub(lambda found: f"\\u{ord(found[0]):04x}", form).encode()


def _base64_forms(value: bytes) -> Iterator[bytes]:
    """What the base64 of anything with the value in it has in it, and that of the value alone to its end."""
    alone = b64encode(value)
    yield alone
    yield alone.rstrip(b"=")
    for before in range(3):
        # Each character stands for 6 bits; those that all belong to the value are the same whatever stands around it.
        first = -(-8 * before // 6)
        after_last = 8 * (before + len(value)) // 6
        yield b64encode(bytes(before) + value)[first:after_last]


def _united(spans: Iterable[_Span]) -> list[_Span]:
    """In order, those that overlap as one."""
    united: list[_Span] = []
    for start, end in sorted(spans):
        if united and start < united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _hide(data: bytes, spans: list[_Span]) -> bytes:
    if not spans:
        return data
    shown: list[bytes] = []
    at = 0
    for start, end in spans:
        shown += (data[at:start], MARK)
        at = end
    return b"".join((*shown, data[at:]))
