"""The engines at which the supervisor has containers made, and what the guardian does about these in the end."""

from collections.abc import Callable

from trio_supervisor.system.containers import SETTLED, note_owed, note_paid, sweep

PATIENCE = 30.0
"""So long (seconds) engines are asked when the supervisor is gone."""
SHORT_PATIENCE = 5.0
"""The same when it waits for the end of the guardian."""


class Engines:
    """All of one supervisor."""

    def __init__(self, instance: str, on_trouble: Callable[[OSError], None]) -> None:
        self._instance = instance
        self._on_trouble = on_trouble
        self._leases: dict[str, str] = {}
        """By address: beside which lease it is written down; "": nowhere."""

    def note(self, address: str, lease: str) -> None:
        """There may be containers there from now on."""
        self._leases[address] = lease
        if lease:
            try:
                note_owed(lease, self._instance, address)
            except OSError as error:
                self._on_trouble(error)

    def leave_nothing(self, *, orderly: bool) -> tuple[list[str], list[str]]:
        """Remove what is left; returns what was removed, and what could not be.

        `orderly`: the supervisor has ended its children itself, and waits for this.
        """
        removed: list[str] = []
        left: list[str] = []
        for address, lease in self._leases.items():
            patience, settle = (SHORT_PATIENCE, 0.0) if orderly else (PATIENCE, SETTLED)
            names, trouble = sweep(address, self._instance, patience, settle=settle)
            if trouble:
                left.append(f"containers ({trouble})")
                continue
            removed += [f"container {name}" for name in names]
            if lease:
                try:
                    note_paid(lease, self._instance, address)
                except OSError as error:
                    self._on_trouble(error)
        return removed, left
