"""The cgroups of the lives of one spawner: opened late, and given up where the system would not have them."""

from collections.abc import Callable

from trio_supervisor.runtimes.process.sampling import not_held
from trio_supervisor.spec import Limits
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.cgroup_slice import Slice


class Cgroups:
    """Makes the groups of lives in one slice."""

    def __init__(self, instance: str, tell: Callable[[str], None]) -> None:
        """`tell` takes in, once, what a person should know."""
        self._instance = instance
        self._tell = tell
        self._slice: Slice | None = None
        self.companions: set[int] = set()
        """Who may be moved with us when the first ceiling is asked for: the guardian."""
        self._given_up = False
        self._told: set[str] = set()

    def open(self) -> Slice:
        """The slice; made when asked for the first time."""
        if self._slice is None:
            self._slice = Slice.open(self._instance, self.companions)
        return self._slice

    @property
    def opened(self) -> Slice | None:
        """The slice, if it was made."""
        return self._slice

    def make(self, child: str, generation: int, limits: Limits) -> Cgroup | None:
        """Fresh groups for a life; None where there are none."""
        cgroups = self.open()
        if not_there := not_held(limits, cgroups):
            self._tell_once(not_there)
        if self._given_up:
            return None
        try:
            return cgroups.make(
                child,
                generation,
                memory=limits.memory,
                pids=limits.pids,
                counted=limits.memory_soft is not None,
            )
        except OSError as error:
            self.give_up(str(error))
            return None

    def give_up(self, reason: str) -> None:
        """Nobody is born in cgroups any more."""
        self._given_up = True
        self._tell_once(f"no cgroups for the agents: {reason}")

    def close(self) -> None:
        """Remove what is empty, which all is when no life is left."""
        if self._slice is not None:
            self._slice.close()

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)
