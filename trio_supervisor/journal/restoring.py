"""What an earlier run has left for the next one: who was held or stopped by hand, and the restarts that still count.

- Held (by a person or by a rule), and stopped by hand: it stays so, until somebody starts or resumes it, names it at
  the command line, or runs the file with `--fresh`.
- Restarts: their number goes on; those within the limit's span count; a row of failures goes on where the last one is
  not older than the healthy time that would end it. Not in profile otp, where each run begins anew.
- All else begins anew: who had failed or finished is started.
"""

import time
from collections.abc import Iterable, Iterator

import trio

from trio_supervisor.core.facts import Restored
from trio_supervisor.journal.entries import Memory, Plain
from trio_supervisor.journal.orders import DOWN, HELD, LIMIT, RESTARTS, STOPPED
from trio_supervisor.spec import SupervisorSpec


class Past:
    """What is to be restored of the children of a tree, each once: a later life of an inner supervisor begins from its
    spec (OTP rule 53). `named`: those that are to run although they were kept down, by path, as at the command line.
    """

    def __init__(self, memory: Memory, spec: SupervisorSpec, named: Iterable[str] = ()) -> None:
        self._to_wall = time.time() - trio.current_time()
        self._named = tuple(named)
        self._found = {path: past for path in paths(spec) if (past := self._past(memory, path, up=self.named(path)))}
        self.kept = tuple(
            (path, HELD if past.held else STOPPED) for path, past in self._found.items() if past.held or past.stopped
        )
        """The paths of those that stay down, and whether they are held or stopped."""
        self.by_hand = tuple(path for path, _ in self.kept if not _down(memory.get((path, DOWN)))[2])
        """Those of them that somebody has put down."""

    def named(self, path: str) -> bool:
        """Whether it is to run whatever has been left."""
        return _is_named(path, self._named)

    def take(self, path: str) -> Restored | None:
        """What is to be restored of a child."""
        return self._found.pop(path, None)

    def _past(self, memory: Memory, path: str, *, up: bool) -> Restored | None:
        state, reason, by = ("", "", "") if up else _down(memory.get((path, DOWN)))
        total, in_a_row, times = _restarts(memory.get((path, RESTARTS)))
        if not (state or total or in_a_row):
            return None
        now = trio.current_time()
        # A clock that was set back makes them later than now.
        lately = tuple(sorted(min(when - self._to_wall, now) for when in times))
        return Restored(
            path.rpartition("/")[2],
            held=reason if state == HELD else "",
            by_rule=state == HELD and by != "",
            by_limit=state == HELD and by == LIMIT,
            stopped="" if state == HELD else reason,
            restarts=total,
            attempts=in_a_row,
            times=lately,
        )


def paths(spec: SupervisorSpec, above: str = "") -> Iterator[str]:
    """The paths of all children, those of inner supervisors after their supervisor."""
    for child in spec.children:
        path = f"{above}/{child.id}" if above else child.id
        yield path
        if isinstance(child.run, SupervisorSpec):
            yield from paths(child.run, path)


def _is_named(path: str, named: tuple[str, ...]) -> bool:
    """Whether it, its supervisor, what is in it, or all of its replicas are named."""
    for name in named:
        base, _, number = path.rpartition("-")
        if path == name or path.startswith(f"{name}/") or name.startswith(f"{path}/"):
            return True
        if base == name and number.isdecimal():
            return True
    return False


# What is not as we have written it is as good as not there: people may write to the file too.


def _down(value: Plain) -> tuple[str, str, str]:
    if not isinstance(value, dict):
        return "", "", ""
    state, reason = value.get("state"), value.get("reason")
    if not isinstance(state, str) or not isinstance(reason, str) or not state:
        return "", "", ""
    by = value.get("by")
    return state, reason or state, by if isinstance(by, str) else ""


def _restarts(value: Plain) -> tuple[int, int, tuple[float, ...]]:
    if not isinstance(value, dict):
        return 0, 0, ()
    times = value.get("times")
    found = [when for when in times if isinstance(when, int | float)] if isinstance(times, list) else []
    return _count(value.get("total")), _count(value.get("in_a_row")), tuple(map(float, found))


def _count(value: Plain) -> int:
    return value if isinstance(value, int) and value > 0 else 0
