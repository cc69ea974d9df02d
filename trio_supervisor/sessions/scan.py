"""One search for a pattern, in steps that are short: `re` can't be interrupted, and holds up everybody meanwhile."""

import re
import time
from collections.abc import Generator
from functools import lru_cache

STARTS = 16
"""So many places at which a match may begin are tried in one step."""
STEP = 0.01
"""Seconds of the processor: a search that will hardly take longer is made at once; else there is a pause each time."""

Found = re.Match[str] | re.Match[bytes]
Pattern = re.Pattern[str] | re.Pattern[bytes]


def scan(pattern: Pattern, text: str | bytearray, start: int) -> Generator[None, None, Found | None]:
    """What `pattern.search(text, start)` finds. Yields where others should have their turn.

    The price of a step is that of `STARTS` matches: a pattern whose own cost explodes (`(a+)+b`) is not bounded by it.
    """
    first = _first_starts(pattern)
    if first is None:
        return pattern.search(text, start)  # type: ignore[arg-type]  # text and pattern are of the same kind
    since = began = time.thread_time()
    while True:
        if first.match(text, start):  # type: ignore[arg-type]
            return pattern.search(text, start)  # type: ignore[arg-type]
        start += STARTS
        left = len(text) - start
        if left < 0:
            return None
        now = time.thread_time()
        if (now - began) * left / STARTS <= STEP:
            return pattern.search(text, start)  # type: ignore[arg-type]
        if now - since >= STEP:
            yield
            now = since = time.thread_time()
        began = now


@lru_cache(maxsize=64)
def _first_starts(pattern: Pattern) -> Pattern | None:
    """Matches where the pattern does within the next `STARTS` places; None where that can't be written."""
    written = pattern.pattern
    text = written.decode("latin-1") if isinstance(written, bytes) else written
    # Flags at the beginning can't stand in the middle, and `flags` has them. A comment ends with its line.
    text = _GLOBAL_FLAGS.sub("", text)
    end = "\n)" if pattern.flags & re.VERBOSE else ")"
    text = f"(?s:.){{0,{STARTS - 1}}}?(?:{text}{end}"
    try:
        return re.compile(text.encode("latin-1") if isinstance(written, bytes) else text, pattern.flags)
    except re.error:
        return None


_GLOBAL_FLAGS = re.compile(r"\A(?:\(\?[aiLmsux]+\))+")
