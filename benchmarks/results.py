"""What has been measured, as it is kept in a file: every turn by itself, so that nothing is lost in a median."""

import json
import statistics
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.figures import FIGURES, FULL, Measured, Sizes


@dataclass
class Turn:
    """One contestant doing one thing once."""

    block: str
    contestant: str
    repeat: int
    others: float
    """The part of the machine that other programs used meanwhile, in percent."""
    took: float
    """Seconds."""
    figures: Measured
    error: str = ""


@dataclass
class Results:
    """Everything of one run, or of several that were put together."""

    machine: dict[str, str]
    sizes: Sizes = FULL
    found: dict[str, dict[str, str]] = field(default_factory=dict)
    """Contestants: version, smallest delay before a restart, and how their figures come about."""
    missing: dict[str, str] = field(default_factory=dict)
    """Contestants that were not there, and why."""
    turns: list[Turn] = field(default_factory=list)

    def values(self, figure: str, contestant: str) -> list[float | None]:
        """All that was measured of it."""
        mine = (turn for turn in self.turns if turn.contestant == contestant)
        return [turn.figures[figure] for turn in mine if figure in turn.figures]

    def median(self, figure: str, contestant: str) -> float | None:
        """None: never measured, or it mostly came to no end."""
        values = self.values(figure, contestant)
        numbers = [value for value in values if value is not None]
        return statistics.median(numbers) if 2 * len(numbers) > len(values) else None

    def spread(self, figure: str, contestant: str) -> tuple[float, float] | None:
        """The least and the greatest; None: there are not two."""
        numbers = [value for value in self.values(figure, contestant) if value is not None]
        return (min(numbers), max(numbers)) if len(numbers) > 1 else None

    def without(self, workloads: Collection[str]) -> list[Turn]:
        """The turns, with what was measured of other workloads only."""
        return [turn for turn in self.turns if not _of(turn, workloads)]

    def go_on_from(self, earlier: "Results", workloads: Collection[str]) -> None:
        """Keep what was measured earlier of other workloads, and who took part in that."""
        self.turns = earlier.without(workloads)
        took_part = {turn.contestant for turn in self.turns}
        theirs = {name: about for name, about in earlier.found.items() if name in took_part}
        # In the order of the earlier run: it mostly was the greater one.
        self.found = {**theirs, **self.found}
        self.missing = {name: why for name, why in self.missing.items() if name not in self.found}

    def save(self, path: Path) -> None:
        """Write the file, which is there as a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self), indent=1) + "\n")
        beside.replace(path)

    @staticmethod
    def load(path: Path) -> "Results":
        """Read such a file.

        Raises:
            OSError, ValueError, TypeError: there is none.
        """
        read = json.loads(path.read_text())
        turns = [Turn(**turn) for turn in read.pop("turns")]
        return Results(sizes=Sizes(**read.pop("sizes")), turns=turns, **read)


def _of(turn: Turn, workloads: Collection[str]) -> bool:
    return any(FIGURES[key].workload in workloads for key in turn.figures if key in FIGURES) or (
        bool(turn.error) and any(name in turn.block.split(" ")[0].split("+") for name in workloads)
    )
