"""What was used up of budgets and quotas, in a form that outlasts an inner supervisor and the run: times are those of
the day. It is kept whenever it has changed, by whoever keeps it (the journal), and read when a supervisor begins.
"""

import math
import time
from collections.abc import Callable

import trio

from trio_supervisor.core.spending import Ledger

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""A value as JSON has it."""

BUDGET, QUOTA = "budget", "quota"
"""Names of what is kept. `{"usd": [[when, amount], ...], "restarts": ...}`, and `{"until": when, "why": text}`."""
MOST_ENTRIES = 64
"""Of one meter; more are joined, each at the later time: what was used counts longer then, never shorter."""


def account_owner(name: str) -> str:
    """As what an account owns something; no path of a child has a colon."""
    return f"account:{name}"


class Spendings:
    """Of one tree."""

    def __init__(self, remember: Callable[[str, str, Plain], None], recall: Callable[[str, str], Plain]) -> None:
        """Both with an owner, the path of a child or `account_owner`, and a name."""
        self._remember = remember
        self._recall = recall
        self._known: dict[tuple[str, str], Plain] = {}
        self._touched: dict[str, Ledger] = {}
        self._seen: dict[str, tuple[Ledger, int]] = {}
        """The ledger of each owner, and how often it had changed when it was kept."""

    def touch(self, owner: str, ledger: Ledger) -> None:
        """It may have changed."""
        self._touched[owner] = ledger

    def flush(self) -> None:
        """Keep what has changed."""
        while self._touched:
            owner, ledger = self._touched.popitem()
            if self._seen.get(owner, (ledger, 0)) != (ledger, ledger.changes):
                self._seen[owner] = ledger, ledger.changes
                now = time.time()
                used = ledger.export(trio.current_time(), MOST_ENTRIES)
                kept: dict[str, Plain] = {
                    meter: [[now - age, amount] for age, amount in entries]
                    for meter, entries in used.items()
                    if entries
                }
                self._keep(owner, BUDGET, kept or None)

    def spent(self, owner: str) -> dict[str, list[tuple[float, float]]]:
        """What it had used up, by meter, as `Ledger.restore` takes it."""
        value, now = self._find(owner, BUDGET), time.time()
        if not isinstance(value, dict):
            return {}
        # A clock that was set back makes it later than now.
        return {
            meter: [(max(0.0, now - when), amount) for when, amount in map(_pair, entries) if amount > 0]
            for meter, entries in value.items()
            if isinstance(entries, list)
        }

    def note_quota(self, owner: str, seconds: float, why: str) -> None:
        """Its quota is used up for so long."""
        self._keep(owner, QUOTA, {"until": time.time() + seconds, "why": why})

    def quota(self, owner: str, longest: float) -> tuple[float, str] | None:
        """For how many seconds it is used up still, and why; None if it is not. `longest`: no longer is believed."""
        value = self._find(owner, QUOTA)
        if not isinstance(value, dict):
            return None
        until, why = value.get("until"), value.get("why")
        if not isinstance(until, int | float) or not isinstance(why, str):
            return None
        left = min(until - time.time(), longest)
        return (left, why) if left > 0 else None

    def _keep(self, owner: str, name: str, value: Plain) -> None:
        self._known[owner, name] = value
        self._remember(owner, name, value)

    def _find(self, owner: str, name: str) -> Plain:
        key = owner, name
        return self._known[key] if key in self._known else self._recall(owner, name)


def _pair(entry: Plain) -> tuple[float, float]:
    """What people have written into the file is as good as nothing."""
    match entry:
        case [int() | float() as when, int() | float() as amount] if math.isfinite(when) and math.isfinite(amount):
            return when, amount
        case _:
            return 0.0, 0.0
