"""A table for people: on a terminal as wide as it is, elsewhere whole. Pure functions."""

from collections.abc import Callable, Sequence
from functools import partial

from trio_supervisor.cli.style import Style

GAP = 2
LEAST = 30
"""So many characters the last column gets on a terminal, before others are left out for it."""

Paint = Callable[[int, int], str]
"""The SGR parameters for the cell in (row, column), "" for none."""


def lines(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    look: Style,
    width: int | None,
    *,
    optional: Sequence[str] = (),
    paint: Paint = lambda _row, _column: "",
) -> list[str]:
    """The lines, the titles first. `width`: of the terminal, where it is one; there the columns of `optional` that tell
    nothing are left out, and as many of the others, in that order, as the last column needs; then lines are cut.
    """
    shown = list(range(len(titles)))
    if width is not None:
        shown = _fitting(titles, rows, width, optional)
    sizes = {column: max(len(row[column]) for row in (titles, *rows)) for column in shown}
    made = [look.paint(_cut(_joined(titles, shown, sizes), width), "1")]
    return made + [_painted(row, shown, sizes, width, look, partial(paint, number)) for number, row in enumerate(rows)]


def _fitting(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, optional: Sequence[str]) -> list[int]:
    last = len(titles) - 1
    shown = [
        column
        for column, title in enumerate(titles)
        if title not in optional or any(row[column] not in ("-", "") for row in rows)
    ]
    wanted = min(LEAST, max(len(row[last]) for row in (titles, *rows)))
    for title in optional:
        used = sum(max(len(row[column]) for row in (titles, *rows)) + GAP for column in shown if column != last)
        if used + wanted <= width:
            break
        shown = [column for column in shown if titles[column] != title]
    return shown


def _joined(row: Sequence[str], shown: Sequence[int], sizes: dict[int, int]) -> str:
    return (" " * GAP).join([row[column].ljust(sizes[column]) for column in shown]).rstrip()


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: max(0, width - 3)] + "..."


def _painted(
    row: Sequence[str],
    shown: Sequence[int],
    sizes: dict[int, int],
    width: int | None,
    look: Style,
    code: Callable[[int], str],
) -> str:
    line = _cut(_joined(row, shown, sizes), width)
    # From the right, so that what is put in moves nothing that is still to come.
    start = sum(sizes[column] + GAP for column in shown)
    for column in reversed(shown):
        start -= sizes[column] + GAP
        end = min(start + len(row[column]), len(line))
        if code(column) and start < end:
            line = line[:start] + look.paint(line[start:end], code(column)) + line[end:]
    return line


def printable(text: str) -> str:
    """In one line, and no orders to the terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def ago(seconds: float) -> str:
    """A span in one unit: 3s, 5m, 2h, 4d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def size(count: int) -> str:
    """Bytes in three digits: 512, 1.5K, 31M, 1.2G."""
    amount = float(count)
    for unit in ("", "K", "M", "G"):
        if amount < 999.5:
            return f"{amount:.1f}{unit}" if unit and amount < 9.95 else f"{amount:.0f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"
