"""Mistakes in files: where each is, what is wrong, what was probably meant; and the report of all of them."""

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from attrs import define, field, frozen

from trio_supervisor.config.source import Place
from trio_supervisor.errors import ConfigError

T = TypeVar("T")

MAX_SHOWN = 500
"""More mistakes than this are counted, not shown: nobody reads them, and a hostile file could have half a million."""

MAX_COMPARED = 20_000
"""So many names are compared for all "did you mean" of a report; it takes about 30 us for each."""

_WIDEST_LINE = 110


@frozen
class Mistake:
    """One thing that is wrong with a file."""

    place: Place
    message: str
    written: str = field(default="", kw_only=True)
    """What stands there, when one of `known` was probably meant."""
    known: tuple[str, ...] = field(default=(), kw_only=True)
    agent: str | None = field(default=None, kw_only=True)
    """The agent that it is a mistake for, when the place does not show it (a value in `defaults`)."""


class MistakeError(Exception):
    """Raised where a value can't be used; whoever can go on without it collects the mistakes."""

    def __init__(self, *mistakes: Mistake, usable: object = None) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes
        self.usable = usable
        """What is right of the value, where it makes sense to go on with that."""


def some_of(reads: Iterable[Callable[[], T]]) -> tuple[tuple[T, ...], list[Mistake]]:
    """What those give that are right, and the mistakes of the others."""
    values: list[T] = []
    mistakes: list[Mistake] = []
    for read in reads:
        try:
            values.append(read())
        except MistakeError as error:
            mistakes += error.mistakes
    return tuple(values), mistakes


def all_of(reads: Iterable[Callable[[], T]]) -> tuple[T, ...]:
    """What each gives; raises MistakeError with the mistakes of all."""
    values, mistakes = some_of(reads)
    if mistakes:
        raise MistakeError(*mistakes)
    return values


def did_you_mean(written: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or nothing."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(written.lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean '{folded[near[0]]}'?" if near else ""


def shown(text: str) -> str:
    """Text from a file as it can be shown at a terminal, short."""
    clipped = text if len(text) <= 60 else text[:57] + "..."
    return f"'{_printable(clipped)}'"


@define
class Mistakes:
    """Collects mistakes; each place has each message once, however often it is found there."""

    _found: dict[tuple[str, int, str], tuple[Mistake, dict[str, None]]] = field(factory=dict, init=False)
    _more: int = field(default=0, init=False)

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, *mistakes: Mistake) -> None:
        """Note mistakes."""
        for mistake in mistakes:
            key = (mistake.place.source.shown, mistake.place.start, mistake.message)
            if key not in self._found and len(self._found) >= MAX_SHOWN:
                self._more += 1
                continue
            _, agents = self._found.setdefault(key, (mistake, {}))
            if mistake.agent is not None:
                agents[mistake.agent] = None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note the mistakes of a MistakeError raised inside, and go on after the block."""
        try:
            yield
        except MistakeError as error:
            self.add(*error.mistakes)

    def passed(self, check: Callable[[], None]) -> bool:
        """Whether a check raises no MistakeError; its mistakes are noted."""
        with self.collected():
            check()
            return True
        return False

    def raise_if_any(self) -> None:
        """Raise a ConfigError that reports everything."""
        if self._found:
            raise ConfigError(self.report())

    def report(self) -> str:
        """All mistakes in the order of the files, each with its line and a caret."""
        found = sorted(self._found.values(), key=lambda one: (one[0].place.source.order, one[0].place.start))
        meant = _Suggestions()
        parts = [_head(one, list(agents), meant) + _excerpt(one.place) for one, agents in found]
        if self._more:
            parts.append(f"... and {self._more} more mistakes")
        return "\n".join(parts)

    def heads(self) -> tuple[str, ...]:
        """One line for each, in the order found."""
        return tuple(_head(one, list(agents), _Suggestions()) for one, agents in self._found.values())


@define
class _Suggestions:
    """What was probably meant, as long as it does not cost too much; the same typo is looked up once."""

    _answers: dict[tuple[str, tuple[str, ...]], str] = field(factory=dict)
    _left: int = MAX_COMPARED

    def for_mistake(self, mistake: Mistake) -> str:
        question = (mistake.written, mistake.known)
        if question not in self._answers:
            self._left -= len(mistake.known)
            affordable = mistake.written and self._left >= 0
            self._answers[question] = did_you_mean(*question) if affordable else ""
        return self._answers[question]


def _head(mistake: Mistake, agents: list[str], meant: _Suggestions) -> str:
    place, message = _printable(str(mistake.place)), _printable(mistake.message)
    return f"{place}: {message}{meant.for_mistake(mistake)}{_for_agents(agents)}"


def _for_agents(agents: list[str]) -> str:
    if not agents:
        return ""
    names = ", ".join(f"'{name}'" for name in agents[:3])
    more = f" and {len(agents) - 3} more" if len(agents) > 3 else ""
    return f" (agent{'s' if len(agents) > 1 else ''} {names}{more})"


def _excerpt(place: Place) -> str:
    if not place.source.quotable:
        return ""
    number, column = place.source.position(place.start)
    line, column = _window(place.source.line(number), column - 1)
    length = max(1, min(place.end - place.start, len(line) - column))
    pad = "".join("\t" if c == "\t" else " " * _width(c) for c in line[:column])
    marked = "^" * max(1, sum(_width(c) for c in line[column : column + length]))
    gutter = f"{number:>5} | "
    return f"\n{gutter}{_printable(line)}\n{' ' * (len(gutter) - 2)}| {pad}{marked}"


def _window(line: str, column: int) -> tuple[str, int]:
    """The part of a long line that is round the column, and the column in it."""
    if len(line) <= _WIDEST_LINE:
        return line, column
    start = max(0, min(column - _WIDEST_LINE // 2, len(line) - _WIDEST_LINE))
    before, after = "..." if start else "", "..." if start + _WIDEST_LINE < len(line) else ""
    return before + line[start : start + _WIDEST_LINE] + after, column - start + len(before)


def _printable(text: str) -> str:
    """Nothing that a terminal could take for a command, and nothing that can't be encoded."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
