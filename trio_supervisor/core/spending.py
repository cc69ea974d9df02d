"""What was used up of a budget: exact sliding windows, a warning on the way, a verdict at the limit."""

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum

from trio_supervisor.core.budget import Budget, Meter, Rate
from trio_supervisor.core.limits import WARN_AT
from trio_supervisor.record import record

MOST_ENTRIES = 4096
"""Of one window; more are joined in pairs, each at the later time: what was used counts longer then, never shorter."""

_PARTS = 10**9  # sums of whole numbers do not drift


class Spending:
    """The amounts of one meter that still count."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, amount: float, now: float) -> None:
        """Count an amount."""
        parts = round(amount * _PARTS)
        if parts:
            self._entries.append((now, parts))
            self._sum += parts
            if len(self._entries) > MOST_ENTRIES:
                self._join()

    def used(self, now: float) -> float:
        """What counts at `now`. As in `Window`, the edge is inside."""
        while self._entries and now - self._entries[0][0] > self.rate.within:
            self._sum -= self._entries.popleft()[1]
        return self._sum / _PARTS

    def room_at(self, amount: float) -> float:
        """When there is room for `amount` again, if nothing more is added."""
        excess = self._sum + round(amount * _PARTS) - round(self.rate.amount * _PARTS)
        for when, parts in self._entries:
            excess -= parts
            if excess <= 0:
                # The edge is inside: just after it.
                return when + self.rate.within + 0.001
        return 0.0

    def clear(self) -> None:
        """Begin anew."""
        self._entries.clear()
        self._sum = 0

    def export(self, now: float, most: int = MOST_ENTRIES) -> list[tuple[float, float]]:
        """The amounts that count, each with its age in seconds: plain values, for `restore`. More than `most` are
        joined.
        """
        self.used(now)
        entries, size = list(self._entries), -(-len(self._entries) // most)
        groups = [entries[max(0, end - size) : end] for end in range(len(entries), 0, -size)] if entries else []
        return [(now - each[-1][0], sum(parts for _, parts in each) / _PARTS) for each in reversed(groups)]

    def restore(self, entries: Iterable[tuple[float, float]], now: float) -> None:
        """Take over what was exported; ages are those at `now`. What was counted since stays."""
        later = list(self._entries)
        self.clear()
        for age, amount in sorted(entries, reverse=True):
            self.add(amount, now - age)
        for when, parts in later:
            self._entries.append((when, parts))
            self._sum += parts

    def _join(self) -> None:
        old = list(self._entries)
        pairs = zip(old[::2], old[1::2], strict=False)
        joined = [(later, first + second) for (_, first), (later, second) in pairs]
        self._entries = deque(joined + old[len(joined) * 2 :])


class Level(Enum):
    """How far a budget is used up."""

    FINE = "fine"
    NEARLY = "nearly"
    """Told once, until it is less again."""
    REACHED = "reached"


@record
class Verdict:
    """What an amount has come to."""

    level: Level
    meter: Meter
    used: float
    rate: Rate
    until: float
    """REACHED: when there is room again, if nothing more is added."""

    def __str__(self) -> str:
        if self.meter is Meter.USD:
            return f"budget: {self.used:.2f} of {self.rate.amount:g} USD per {str(self.rate).partition(' per ')[2]}"
        return f"budget: {self.used:g} of {self.rate.amount:g} restarts per {str(self.rate).partition(' per ')[2]}"


Exported = Mapping[str, Iterable[tuple[float, float]]]
"""By the name of the meter: pairs of age in seconds and amount."""


class Ledger:
    """All meters of one budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._meters = {meter: Spending(rate) for meter in Meter if (rate := budget.rate(meter)) is not None}
        self._warned: set[Meter] = set()
        self.changes = 0
        """How often what was used up has changed, but by time."""

    def add(self, meter: Meter, amount: float, now: float) -> Verdict | None:
        """Count; None where that meter has no limit."""
        spending = self._meters.get(meter)
        if spending is None:
            return None
        if amount:
            self.changes += 1
            spending.add(amount, now)
        return self._judge(meter, spending, now)

    def refuses_restart(self, now: float) -> Verdict | None:
        """Why there must be no further restart; None if there may be one."""
        spending = self._meters.get(Meter.RESTARTS)
        if spending is None or spending.used(now) < spending.rate.amount:
            return None
        return Verdict(Level.REACHED, Meter.RESTARTS, spending.used(now), spending.rate, spending.room_at(1))

    def state(self, now: float) -> tuple[Verdict, ...]:
        """How much is used up at `now`; nothing is judged by that."""
        return tuple(
            [
                Verdict(Level.FINE, meter, spending.used(now), spending.rate, now)
                for meter, spending in self._meters.items()
            ]
        )

    def approve(self, now: float) -> None:
        """Somebody says to go on: what is used up begins anew, what is not goes on."""
        for meter, spending in self._meters.items():
            if spending.used(now) >= spending.rate.amount:
                spending.clear()
                self._warned.discard(meter)
                self.changes += 1

    def reached(self, now: float) -> Verdict | None:
        """Why there is nothing left; None if there is something of everything."""
        verdicts = (self._reached(meter, spending, now) for meter, spending in self._meters.items())
        return next((each for each in verdicts if each is not None), None)

    def export(self, now: float, most: int = MOST_ENTRIES) -> dict[str, list[tuple[float, float]]]:
        """All that counts, as plain values; see `Spending.export`."""
        return {meter.value: spending.export(now, most) for meter, spending in self._meters.items()}

    def restore(self, exported: Exported, now: float) -> None:
        """Take over what was exported; a meter that has no limit any more is left out."""
        for meter, spending in self._meters.items():
            spending.restore(exported.get(meter.value, ()), now)

    def _reached(self, meter: Meter, spending: Spending, now: float) -> Verdict | None:
        used, limit = spending.used(now), spending.rate.amount
        # So many restarts are allowed; of money, who has spent it all has nothing left.
        if used < limit or (used == limit and meter is Meter.RESTARTS):
            return None
        room = spending.room_at(1 if meter is Meter.RESTARTS else 0)
        return Verdict(Level.REACHED, meter, used, spending.rate, room)

    def _judge(self, meter: Meter, spending: Spending, now: float) -> Verdict:
        if reached := self._reached(meter, spending, now):
            return reached
        used, limit = spending.used(now), spending.rate.amount
        level = Level.FINE
        if used < WARN_AT * limit:
            self._warned.discard(meter)
        elif meter not in self._warned:
            self._warned.add(meter)
            level = Level.NEARLY
        return Verdict(level, meter, used, spending.rate, now)
