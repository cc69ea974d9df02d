"""From what a tree tells to the journal: every change of state, every end of a life, and what the next run needs."""

import time
from collections import deque
from math import isfinite

from trio_supervisor.control.api import Desired, Event, How, State
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.looks import find
from trio_supervisor.core.child import Child
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.notices import LifeEnded, Notice, StateChanged, TreeEnding
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.journal.entries import Entry, Key, Kind, Plain
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import DOWN, HELD, LIMIT, RESTARTS, RULE, STOPPED, down

MOST_TIMES = 100
"""Of so many restarts of a child it is remembered when they were ..."""
LONGEST = 3600.0
"""... as far as they are not older than this (seconds)."""


class Recorder:
    """Writes down what happens to a tree. Nothing here waits or raises."""

    def __init__(self, journal: Journal, supervisor: Supervisor, control: LocalControl) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._ending: set[str] = set()
        """The supervisors that end: what becomes of their children is nobody's wish."""
        self._restarts: dict[str, tuple[int, int]] = {}
        self._times: dict[str, deque[float]] = {}
        control.listen(self._changed)
        supervisor.listen(self._told)

    def _changed(self, event: Event) -> None:
        change = event.change
        # A supervisor that begins a new life has its children from the spec again.
        if self._ending and change.new is State.STARTING:
            self._ending = {path for path in self._ending if not f"{path}/".startswith(f"{change.child}/")}
        values: dict[Key, Plain] = {}
        path, _, name = change.child.rpartition("/")
        supervisor = find(self._supervisor, path)
        child = supervisor.children.get(name) if supervisor else None
        if not (self._ending and self._ends(path)):
            self._note_wish(values, event, child)
            self._note_restarts(values, event, child)
        next_in = event.next_in
        entry = Entry(
            event.at,
            Kind.STATE,
            change.child,
            change.generation,
            change.old.value,
            change.new.value,
            change.reason,
            event.at + next_in if next_in is not None and isfinite(next_in) else None,
            change.restarts,
            event.pid,
            event.port,
        )
        self._journal.note(entry, values)

    def _told(self, path: str, notice: Notice) -> None:
        match notice:
            case TreeEnding():
                self._ending.add(path)
            case LifeEnded():
                agent = f"{path}/{notice.child}" if path else notice.child
                self._journal.note(_exit_entry(agent, notice.generation, notice.exit))
            case _:
                return

    def _ends(self, path: str) -> bool:
        """Whether a supervisor or one that it is in ends."""
        return any(each == path or not each or path.startswith(f"{each}/") for each in self._ending)

    def _note_wish(self, values: dict[Key, Plain], event: Event, child: Child | None) -> None:
        change = event.change
        key = (change.child, DOWN)
        known = self._journal.recall(*key)
        match change.new:
            case State.HELD if child is not None and isfinite(child.resume_at):
                # It ends by itself, and whoever holds it knows better than we whether that is so in the next run too.
                return
            case State.HELD if change.exit is None or change.exit.how is not How.UNKILLABLE:
                wish = down(HELD, change.reason, _by(change, child))
            case State.STOPPED if child is not None and child.desired is Desired.DOWN:
                wish = down(STOPPED, change.reason)
            case State.WAITING | State.STARTING | State.REMOVED:
                wish = None
            case _:
                return
        if not _is_known(wish, known):
            values[key] = wish

    def _note_restarts(self, values: dict[Key, Plain], event: Event, child: Child | None) -> None:
        change = event.change
        key = (change.child, RESTARTS)
        if child is None:
            self._restarts.pop(change.child, None)
            self._times.pop(change.child, None)
            if change.new is State.REMOVED and self._journal.recall(*key) is not None:
                values[key] = None
            return
        counts = (change.restarts, child.attempts)
        before = self._restarts.get(change.child)
        if counts == before or (before is None and counts == (0, 0)):
            return
        self._restarts[change.child] = counts
        times = self._times.get(change.child)
        if times is None:
            times = self._times[change.child] = deque(self._old_times(key), MOST_TIMES)
        if (before is not None and counts[0] > before[0]) or (before is None and change.exit is not None):
            times.append(event.at)
        while times and event.at - times[0] > LONGEST:
            times.popleft()
        values[key] = {"total": counts[0], "in_a_row": counts[1], "times": list(times)}

    def _old_times(self, key: Key) -> list[float]:
        known = self._journal.recall(*key)
        times = known.get("times") if isinstance(known, dict) else None
        return [float(when) for when in times if isinstance(when, int | float)] if isinstance(times, list) else []


def _is_known(wish: Plain, known: Plain) -> bool:
    """Whether it is so already; who it was that wanted it first still does."""
    if isinstance(wish, dict) and isinstance(known, dict):
        return (wish["state"], wish["reason"]) == (known.get("state"), known.get("reason"))
    return wish == known


def _by(change: StateChanged, child: Child | None) -> str:
    """What rule holds it; empty: a person does."""
    if not change.grounds:
        return ""
    return RULE if child is not None and child.hold else LIMIT


def _exit_entry(agent: str, generation: int, exit: Exit) -> Entry:
    return Entry(
        time.time(),
        Kind.EXIT,
        agent,
        generation,
        reason=str(exit),
        how=exit.how.value,
        code=exit.code,
        signal=exit.signal,
    )
