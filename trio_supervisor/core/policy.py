"""The values that a supervisor decides by: restart types, intensity, backoff, thresholds, dependency conditions.

All times are seconds as float. `math.inf` means never or without limit.
"""

import math
import signal as signals
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from trio_supervisor.core.budget import Budget
from trio_supervisor.core.limits import Idle, Lifetime, Progress
from trio_supervisor.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping


class Restart(Enum):
    """When a child that ended by itself is started again (OTP rule table 1.4)."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a bad end."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(Enum):
    """Which children a restart concerns (OTP rules 23 to 27)."""

    ONE_FOR_ONE = "one_for_one"
    """The one that ended."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """It and those after it in start order."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """The one that ended; all children are instances of one template (OTP rules 45 to 47)."""


class Profile(Enum):
    """A set of defaults, and the manner of starting and stopping (design part 5)."""

    FLEET = "fleet"
    """In parallel by dependency, with backoff and holds."""
    OTP = "otp"
    """One at a time in start order, exactly as Erlang/OTP does."""


class AtLimit(Enum):
    """What happens when a restart would exceed the intensity."""

    HOLD = "hold"
    """The offender is held; the others go on."""
    ESCALATE = "escalate"
    """The supervisor stops its children and gives up (OTP rule 21)."""
    PAUSE = "pause"
    """No restart for as long as the intensity's window, then the count begins anew."""


class AutoShutdown(Enum):
    """When the end of significant children ends the supervisor (OTP rules 38 to 41)."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Condition(Enum):
    """What a dependency must have reached before its dependent starts."""

    STARTED = "started"
    READY = "ready"
    FINISHED = "finished"


class ReadyBy(Enum):
    """How a started child becomes ready."""

    START = "start"
    """It is ready as soon as it is started."""
    PROBE = "probe"
    """A readiness probe says so."""
    HEALTH = "health"
    """The health probe says so: of a child that is only watched, and has no readiness probe."""
    ITSELF = "itself"
    """The child announces it (a task that calls `task_status.started()`)."""


@record
class Intensity:
    """At most `restarts` restarts in any window of `within` seconds (OTP rules 17 and 18)."""

    restarts: int = 5
    within: float = 60.0

    def __post_init__(self) -> None:
        if self.restarts < 0:
            raise ValueError(f"intensity: restarts must be >= 0, not {self.restarts}")
        if not self.within > 0:
            raise ValueError(f"intensity: within must be > 0 seconds, not {self.within}")

    def __str__(self) -> str:
        return f"{self.restarts} restarts within {self.within:g} s"


@record
class Backoff:
    """The delay before the n-th restart in a row: none, then `initial`, growing by `factor` up to `max` seconds.

    `jitter` is the greatest relative deviation (0.2 = +-20 %). The row ends after `reset_after` seconds of readiness
    without a break.
    """

    initial: float = 0.5
    factor: float = 2.0
    max: float = 30.0
    jitter: float = 0.2
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial < math.inf:
            raise ValueError(f"backoff: initial must be >= 0 seconds, not {self.initial}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"backoff: factor must be >= 1, not {self.factor}")
        if not 0 <= self.max < math.inf:
            raise ValueError(f"backoff: max must be >= 0 seconds, not {self.max}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"backoff: jitter must be between 0 and 1, not {self.jitter}")
        if not self.reset_after >= 0:
            raise ValueError(f"backoff: reset_after must be >= 0 seconds, not {self.reset_after}")


@record
class Thresholds:
    """How many equal answers in a row change a verdict."""

    failures: float = 3
    """`math.inf`: however many."""
    successes: int = 1

    def __post_init__(self) -> None:
        if self.failures < 1:
            raise ValueError(f"failures must be >= 1, not {self.failures}")
        if self.successes < 1:
            raise ValueError(f"successes must be >= 1, not {self.successes}")


@record
class ExitCodes:
    """What the exit codes of a process mean; any other is a failure. By itself only 0 is known, as to OTP."""

    success: tuple[int, ...] = (0,)
    restart: tuple[int, ...] = ()
    """It wants to be started again, which is no failure; unless it is temporary."""
    hold: tuple[int, ...] = ()
    """Nothing but a change by a person can help (a wrong configuration): it is held."""

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for name, codes in (("success", self.success), ("restart", self.restart), ("hold", self.hold)):
            for code in codes:
                if not 0 <= code <= 255:
                    raise ValueError(f"exit_codes: {name}: must be within 0 to 255, not {code}")
                if code in seen:
                    raise ValueError(f"exit_codes: {name}: {code} has a meaning already")
                seen.add(code)


@record
class ChildPolicy:
    """What the machine knows of one child."""

    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff()
    ready_by: ReadyBy = ReadyBy.START
    start_deadline: float = math.inf
    """Seconds from start to ready, after which the start has failed."""
    readiness: Thresholds = Thresholds()
    health: Thresholds | None = None
    """None: no health probe."""
    depends_on: "Mapping[str, Condition]" = MappingProxyType({})
    binds_to: tuple[str, ...] = ()
    """Stopped and restarted together with these."""
    intensity: Intensity | None = None
    """A limit of its own, beside the supervisor's."""
    significant: bool = False
    supervisor: bool = False
    brutal_kill: bool = False
    """It is stopped by force at once; then that it was killed is no error (OTP rule 34)."""
    stop_signals: frozenset[int] = frozenset({signals.SIGTERM})
    """What its stop sends it before SIGKILL: to die of that, or to exit with 128 more, is to stop as asked."""
    exit_codes: ExitCodes = ExitCodes()
    startup_crashes: int = 0
    """So many starts in a row that came to nothing hold it; 0: never."""
    same_exits: int = 0
    """So many bad ends in a row of the same kind, with the same last lines, hold it; 0: never."""
    lifetime: Lifetime | None = None
    idle: Idle | None = None
    progress: Progress | None = None
    drain: float = 0.0
    """Seconds that a planned restart waits for what the child is busy with; not in profile otp."""
    budget: Budget | None = None
    """Its own; that of its account is counted elsewhere."""
    silent_meter: float = math.inf
    """Seconds after which a meter that says nothing while there is output has failed, of its own budget or its
    account's.
    """
    startup: Thresholds | None = None
    """None: no startup probe. Until that succeeds no other one counts, and `start_deadline` ends with it."""
    remote: bool = False
    """It lives elsewhere: what its probes say ends no life and is no failed start, and it may come back by itself."""

    def __post_init__(self) -> None:
        if self.ready_by is ReadyBy.HEALTH and not (self.remote and self.health):
            raise ValueError("ready by its health probe is only who is remote, and has one")
        if not self.start_deadline > 0:
            raise ValueError(f"start_deadline must be > 0 seconds, not {self.start_deadline}")
        for name in ("startup_crashes", "same_exits", "drain"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, not {getattr(self, name)}")

    @property
    def watched(self) -> bool:
        """Whether a life of it has limits that have to be watched."""
        return bool(self.lifetime or self.idle or self.progress) or self.silent_meter < math.inf


@record
class TreePolicy:
    """What the machine knows of its supervisor."""

    intensity: Intensity = Intensity()
    max_parallel_starts: int = 20
    stop_deadline: float = 30.0
    """Seconds for the whole stop; then every grace is cut to nothing."""
    profile: Profile = Profile.FLEET
    strategy: Strategy = Strategy.ONE_FOR_ONE
    at_limit: AtLimit = AtLimit.HOLD
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    template: str | None = None
    """The id in the template of `simple_one_for_one`; None: each start brings its own (Elixir's DynamicSupervisor)."""
    max_children: float = math.inf

    def __post_init__(self) -> None:
        if self.max_parallel_starts < 1:
            raise ValueError(f"max_parallel_starts must be >= 1, not {self.max_parallel_starts}")
        if not self.stop_deadline >= 0:
            raise ValueError(f"stop_deadline must be >= 0 seconds, not {self.stop_deadline}")
        if not self.max_children >= 0:
            raise ValueError(f"max_children must be >= 0, not {self.max_children}")
        if self.dynamic and self.auto_shutdown is not AutoShutdown.NEVER:
            raise ValueError("auto_shutdown must be never under simple_one_for_one")

    @property
    def dynamic(self) -> bool:
        """Whether all children are instances that come and go (rules 45 to 47 and 58)."""
        return self.strategy is Strategy.SIMPLE_ONE_FOR_ONE

    @property
    def ordered(self) -> bool:
        """Whether one thing is done after the other, as in OTP."""
        return self.profile is Profile.OTP
