"""A machine with a clock, for tests: one line per fact, the present generation filled in, everything that followed
kept.
"""

import math
from collections.abc import Mapping

from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import Command, Output, StartChild, StopChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import (
    BecameReady,
    BusyChanged,
    ChildAdded,
    Exited,
    Fact,
    HurryAsked,
    Looked,
    ProbeAnswered,
    RemoveAsked,
    RestartAsked,
    Role,
    ShutdownAsked,
    StartAsked,
    Started,
    StopAsked,
    TimePassed,
)
from trio_supervisor.core.machine import Machine
from trio_supervisor.core.notices import Judged, StateChanged
from trio_supervisor.core.policy import (
    Backoff,
    ChildPolicy,
    Condition,
    Intensity,
    ReadyBy,
    Restart,
    Thresholds,
    TreePolicy,
)
from trio_supervisor.core.state import State

CRASH = Exit(How.EXITED, code=1)
CLEAN = Exit(How.EXITED, code=0)
TERMED = Exit(How.SIGNALED, signal=15)
SPAWN_FAILED = Exit(How.SPAWN_FAILED, detail="no such program")
UNKILLABLE = Exit(How.UNKILLABLE, detail="process 77 is still there")

NO_JITTER = Backoff(jitter=0)


def policy(
    restart: Restart = Restart.PERMANENT,
    *,
    backoff: Backoff = NO_JITTER,
    ready_by: ReadyBy = ReadyBy.START,
    deadline: float = math.inf,
    readiness: Thresholds = Thresholds(failures=1),  # noqa: B008 - a frozen value
    health: Thresholds | None = None,
    needs: Mapping[str, Condition] | None = None,
    startup: Thresholds | None = None,
    remote: bool = False,
) -> ChildPolicy:
    """A child policy; without arguments that of a child which is ready when started, and comes back without jitter."""
    more = needs or {}
    return ChildPolicy(restart, backoff, ready_by, deadline, readiness, health, more, startup=startup, remote=remote)


def tree(restarts: int = 1000, within: float = 60.0, *, parallel: int = 20, stop_deadline: float = 30.0) -> TreePolicy:
    """A supervisor's policy; without arguments one whose limits do not matter."""
    return TreePolicy(Intensity(restarts, within), parallel, stop_deadline)


class Driver:
    """Feeds a machine. Every method returns what followed; `out` keeps all that ever followed."""

    def __init__(self, policy: TreePolicy | None = None, /, **children: ChildPolicy) -> None:
        self.machine = Machine(policy or tree())
        self.now = 100.0
        self.out: list[Output] = []
        for child, its_policy in children.items():
            self.add(child, its_policy)

    def tell(self, fact: Fact) -> list[Output]:
        """Any fact."""
        outputs = self.machine.handle(fact, self.now)
        self.out += outputs
        return outputs

    # Looking

    def __getitem__(self, child: str) -> Child:
        return self.machine.children[child]

    def state(self, child: str) -> State:
        return self[child].state

    def states(self) -> dict[str, str]:
        """The state of every child, as its word."""
        return {name: child.state.value for name, child in self.machine.children.items()}

    def next_in(self) -> float:
        """Seconds until the machine wants to be asked."""
        return self.machine.next_deadline() - self.now

    def notice(self, child: str) -> StateChanged:
        """The last notice about a child."""
        return [output for output in self.out if isinstance(output, StateChanged) and output.child == child][-1]

    # Asking

    def add(self, child: str, its_policy: ChildPolicy) -> list[Output]:
        return self.tell(ChildAdded(child, its_policy))

    def start(self, *children: str) -> list[Output]:
        """Ask for starts; without names for those of all, in order."""
        return [output for child in children or self.machine.children for output in self.tell(StartAsked(child))]

    def stop(self, child: str, reason: str = "stopped by hand") -> list[Output]:
        return self.tell(StopAsked(child, reason))

    def restart(self, child: str) -> list[Output]:
        return self.tell(RestartAsked(child))

    def remove(self, child: str) -> list[Output]:
        return self.tell(RemoveAsked(child))

    def shut_down(self) -> list[Output]:
        return self.tell(ShutdownAsked("time to go"))

    def hurry(self) -> list[Output]:
        return self.tell(HurryAsked("now"))

    # Living

    def started(self, *children: str) -> list[Output]:
        return [output for child in children for output in self.tell(Started(child, self[child].generation))]

    def says_ready(self, child: str) -> list[Output]:
        return self.tell(BecameReady(child, self[child].generation))

    def startup(self, child: str, ok: bool, detail: str = "started up", *, decisive: bool = False) -> list[Output]:
        return self.tell(ProbeAnswered(child, self[child].generation, Role.STARTUP, ok, detail, decisive))

    def readiness(self, child: str, ok: bool, detail: str = "status 200", *, decisive: bool = False) -> list[Output]:
        return self.tell(ProbeAnswered(child, self[child].generation, Role.READINESS, ok, detail, decisive))

    def health(self, child: str, ok: bool, detail: str = "timeout", *, decisive: bool = False) -> list[Output]:
        return self.tell(ProbeAnswered(child, self[child].generation, Role.HEALTH, ok, detail, decisive))

    def looked(
        self,
        child: str,
        *,
        output: float | None = None,
        progress: float | None = None,
        meter: float | None = None,
        connections: int = 0,
    ) -> list[Output]:
        """The answer to a look, with the times ago."""
        output_at, progress_at, meter_at = (
            -math.inf if ago is None else self.now - ago for ago in (output, progress, meter)
        )
        generation = self[child].generation
        return self.tell(Looked(child, generation, output_at, output_at, progress_at, meter_at, connections))

    def busy(self, child: str, busy: bool = True) -> list[Output]:
        return self.tell(BusyChanged(child, self[child].generation, busy))

    def exits(self, child: str, exit: Exit = CRASH, *, draw: float = 0.5) -> list[Output]:
        return self.tell(Exited(child, self[child].generation, exit, draw))

    def pass_time(self, seconds: float) -> list[Output]:
        """Let time pass; the machine is asked at each of its deadlines on the way."""
        end = self.now + seconds
        outputs = []
        while (deadline := self.machine.next_deadline()) <= end:
            self.now = max(self.now, deadline)
            outputs += self.tell(TimePassed())
        self.now = end
        return outputs

    def bring_up(self, *children: str) -> None:
        """Start these (or all), and let each become ready in the way of its policy."""
        for child in children or tuple(self.machine.children):
            self.start(child)
            self.make_ready(child)

    def make_ready(self, child: str) -> None:
        """Let the present life of a child, which has just begun, become ready."""
        self.started(child)
        if (startup := self[child].policy.startup) is not None:
            for _ in range(startup.successes):
                self.startup(child, True)
        match self[child].policy.ready_by:
            case ReadyBy.ITSELF:
                self.says_ready(child)
            case ReadyBy.PROBE:
                for _ in range(self[child].policy.readiness.successes):
                    self.readiness(child, True)
            case ReadyBy.START:
                pass
        assert self[child].state is State.READY

    def crash_and_return(self, child: str) -> float:
        """Crash a ready child, let the delay pass and make its next life ready; returns the delay."""
        self.exits(child)
        due = self.notice(child).next_at
        delay = due - self.now if self[child].state is State.BACKOFF and due is not None else 0.0
        self.pass_time(delay)
        self.make_ready(child)
        return delay


def commands(outputs: list[Output]) -> list[Command]:
    """The outputs that are orders to the engine."""
    return [output for output in outputs if isinstance(output, Command)]


def changes(outputs: list[Output]) -> list[StateChanged]:
    """The changes of state among the outputs."""
    return [output for output in outputs if isinstance(output, StateChanged)]


def judged(outputs: list[Output]) -> list[tuple[str, str, float, int]]:
    """What is told of probes: role, judgement, since when, how many failed answers."""
    return [(out.role.value, out.judgement.value, out.since, out.failed) for out in outputs if isinstance(out, Judged)]


def starts(outputs: list[Output]) -> list[str]:
    """Whom the outputs start."""
    return [output.child for output in outputs if isinstance(output, StartChild)]


def stops(outputs: list[Output]) -> list[str]:
    """Whom the outputs stop."""
    return [output.child for output in outputs if isinstance(output, StopChild)]
