"""Selecting lines: by level, by field, by a pattern. Lines that are JSON objects are parsed only when it is asked for.

To parse each line as it comes would cost a hundred times what the rest of its way costs, and mostly nobody asks.
Log files in JSON do.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from attrs import Factory, field, frozen

from trio_supervisor.output.lines import Block
from trio_supervisor.runtimes.base import Stream

LEVELS: Mapping[str, int] = {
    "trace": 5,
    "debug": 10,
    "info": 20,
    "information": 20,
    "notice": 25,
    "warn": 30,
    "warning": 30,
    "error": 40,
    "err": 40,
    "critical": 50,
    "crit": 50,
    "alert": 50,
    "emergency": 50,
    "emerg": 50,
    "fatal": 50,
    "panic": 50,
}
"""Names of levels, in any case, and how bad they are."""
_NAMES = ((50, "critical"), (40, "error"), (30, "warning"), (25, "notice"), (20, "info"), (10, "debug"), (1, "trace"))
_LEVEL_FIELDS = ("level", "severity", "levelname", "lvl", "log.level")
_LONGEST_KEPT = 4096
_FIRST_WORD = re.compile(rb"([A-Za-z]+)\b")


def _check_level(_: object, __: object, value: str | None) -> None:
    if value is not None and value.lower() not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {value!r}")


def _pattern(text: str | None) -> "re.Pattern[bytes] | None":
    # Bytes that are no UTF-8 must not keep a line from being found.
    try:
        return None if text is None else re.compile(text.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise ValueError(f"grep {text!r}: {error}") from error


@frozen
class Selection:
    """Which lines are wanted: those that meet everything that is given.

    Raises:
        ValueError: the level is unknown, or the pattern is none.
    """

    level: str | None = field(default=None, validator=_check_level)
    """At least this bad. A line without a level of its own does not meet it."""
    fields: Mapping[str, str] = Factory(dict)
    """A JSON object with these values; `a.b` is `b` in the object `a`. Numbers and truth values as JSON writes them."""
    grep: str | None = None
    """A regular expression that must be found in the line."""
    stream: Stream | None = None
    _grep: "re.Pattern[bytes] | None" = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_grep", _pattern(self.grep))

    def takes(self, stream: Stream, line: bytes) -> bool:
        """Whether a line of that stream is wanted."""
        if self.stream is not None and stream is not self.stream:
            return False
        if self._grep is not None and self._grep.search(line) is None:
            return False
        if self.level is not None and level_of(stream, line) < LEVELS[self.level.lower()]:
            return False
        return not self.fields or self._has_fields(line)

    def _has_fields(self, line: bytes) -> bool:
        parsed = parse(line)
        return parsed is not None and all(_shown(_at(parsed, name)) == value for name, value in self.fields.items())


def parse(line: bytes) -> Mapping[str, object] | None:
    """The object that a line is in JSON, or None; to be read only. Readers of the same line mostly share the work."""
    if not line.lstrip().startswith(b"{"):
        return None
    return _parse_kept(line) if len(line) <= _LONGEST_KEPT else _parse(line)


def level_of(stream: Stream, line: bytes) -> int:
    """How bad it is what a line says, as in `LEVELS`; 0: it does not say."""
    if stream is Stream.LOG:
        word = _FIRST_WORD.match(line)
        return 0 if word is None else LEVELS.get(word[1].decode().lower(), 0)
    parsed = parse(line)
    if parsed is None:
        return 0
    value = next((found for name in _LEVEL_FIELDS if (found := _at(parsed, name)) is not None), None)
    if isinstance(value, str):
        return LEVELS.get(value.lower(), 0)
    # As pino and bunyan count: 30 is info. Who writes Python's numbers writes names beside them.
    return max(LEVELS["trace"], int(value) - 10) if isinstance(value, int | float) and 10 <= value <= 60 else 0


def level_name(stream: Stream, line: bytes) -> str | None:
    """The level of its own that a line says, by one name for all that are as bad; None: it does not say."""
    level = level_of(stream, line)
    return next((name for least, name in _NAMES if level >= least), None)


def levels_in(stream: Stream, block: Block) -> list[str | None]:
    """The level of each line of a block; parts of a line that came in pieces have none."""
    levels = [level_name(stream, line) for line in block.lines]
    if block.begun:
        levels[0] = None
    return levels


def _parse(line: bytes) -> Mapping[str, object] | None:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


_parse_kept = lru_cache(maxsize=512)(_parse)


def _at(parsed: Mapping[str, object], name: str) -> object:
    if name in parsed:
        return parsed[name]
    value: object = parsed
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _shown(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
