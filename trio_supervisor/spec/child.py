"""A child and a supervisor: what a person writes, in full. Where a default says "by profile", see `Profile`."""

import math
import re
from collections.abc import Mapping

from attrs import Factory, field, frozen

from trio_supervisor.core.budget import Budget
from trio_supervisor.core.policy import (
    AtLimit,
    AutoShutdown,
    Backoff,
    Condition,
    ExitCodes,
    Intensity,
    Profile,
    Restart,
    Strategy,
)
from trio_supervisor.errors import SpecError
from trio_supervisor.spec.accounts import Account, Quota
from trio_supervisor.spec.checks import Exec, Stdio
from trio_supervisor.spec.container import ContainerSpec
from trio_supervisor.spec.container_policy import ContainerPolicy
from trio_supervisor.spec.hooks import Hooks
from trio_supervisor.spec.journal import JournalLimits
from trio_supervisor.spec.log import LogFile, RingLimits, TailLimits
from trio_supervisor.spec.probes import Health, Probe, Readiness, Startup
from trio_supervisor.spec.process import Limits, ProcessSpec, Stdin, TaskSpec
from trio_supervisor.spec.remote import RemoteSpec
from trio_supervisor.spec.signs import EngineHealth, Log, Notify
from trio_supervisor.spec.stop import CloseStdinStep, SendStep, StopStep
from trio_supervisor.spec.values import positive

DEFAULT_PORT_RANGE = (19001, 19100)
DEFAULT_LISTEN = "127.0.0.1"

FLEET_CODES = ExitCodes(success=(0,), restart=(75,), hold=(78,))
"""What exit codes mean in profile fleet: EX_TEMPFAIL and EX_CONFIG of sysexits.h."""
FLEET_CRASHES = 5
"""So many startup crashes, or ends of the same kind, in a row hold a child in profile fleet."""

_ID = r"[A-Za-z0-9][A-Za-z0-9-]{0,63}"


def check_id(text: str) -> str:
    """Return `text` if it can be the id of a child; raises SpecError otherwise."""
    if not re.fullmatch(_ID, text):
        raise SpecError(f"id {text!r}: must be 1 to 64 letters, digits and hyphens, starting with a letter or digit")
    return text


def _check_backoff(_: object, __: object, backoff: "Backoff | None") -> None:
    if not isinstance(backoff, Backoff | None):
        raise SpecError(f"backoff must be a Backoff (Backoff(initial=0) has no delay), not {backoff!r}")


def _check_account_name(_: object, __: object, name: str | None) -> None:
    if name is not None and not re.fullmatch(_ID, name):
        raise SpecError(f"account {name!r}: must be 1 to 64 letters, digits and hyphens")


@frozen
class Port:
    """Where a child listens: one port of a range, both ends included."""

    first: int
    last: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.first <= self.last <= 65535:
            raise SpecError(f"port must be within 1 to 65535, not {self}")

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@frozen
class ChildSpec:
    """A child of a supervisor. Where a default says "by profile", see `Profile`."""

    id: str = field(converter=check_id)
    run: "ProcessSpec | TaskSpec | RemoteSpec | ContainerSpec | SupervisorSpec"
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    """Whether its own end counts for the supervisor's `auto_shutdown`; not for permanent children."""
    backoff: Backoff | None = field(default=None, validator=_check_backoff)
    """None: by profile (fleet: `Backoff()`; otp: no delay at all)."""
    intensity: Intensity | None = None
    """A limit of this child's own, beside the supervisor's: whichever is reached first."""
    start_timeout: float = field(default=math.inf, validator=positive("start_timeout"))
    """From start to ready, for children without a readiness probe (whose `deadline` says it otherwise); then the start
    has failed.
    """
    readiness: Readiness | None = None
    health: Health | None = None
    depends_on: Mapping[str, Condition] = Factory(dict)
    binds_to: tuple[str, ...] = ()
    """Restarted together with these siblings, and stopped together with them; each must be in `depends_on` or implies
    `started`.
    """
    stop: tuple[StopStep, ...] | None = None
    """In order; when all are over, the whole tree is killed. None: by profile (TERM and 10 s, in otp 5 s; supervisors
    without limit).

    OTP's `shutdown`: () is brutal_kill, (SignalStep(wait=5),) is 5000, (SignalStep(wait=math.inf),) is infinity.
    """
    port: Port | None = None
    listen: str | None = None
    """The supervisor listens on `port` at this address and hands the socket over (LISTEN_FDS, sd_listen_fds(3));
    None: the child listens itself.
    """
    log: tuple[LogFile, ...] = ()
    """The files that what it says is written to; not for supervisors."""
    ring: RingLimits | None = None
    """How much of what it says is kept in memory; None: `RingLimits()`, or less where there are very many children. Not
    for supervisors.
    """
    startup: Startup | None = None
    protocol: str | None = None
    """What it speaks, for those who look for it (`endpoints`); None: by its probes."""
    hooks: Hooks | None = None
    """What is called when it is ready, fails, is given up, restarted, stopped, well again."""
    exit_codes: ExitCodes | None = None
    """What exit codes mean. None: by profile (fleet: 0 success, 75 restart, 78 hold; otp: 0 success)."""
    startup_crashes: int | None = None
    """So many starts in a row that come to nothing hold it, not before 30 s; 0: never. None: by profile (fleet: 5; otp:
    never).
    """
    same_exits: int | None = None
    """So many bad ends in a row of the same kind, with the same last lines, hold it; 0: never. None: by profile (fleet:
    5; otp: never).
    """
    account: str | None = field(default=None, validator=_check_account_name)
    """Whose quota and budget it shares with others of the tree."""
    budget: Budget | None = None
    """Its own, beside that of its account."""
    quota: tuple[Quota, ...] = ()
    """Lines by which it says that the quota of its account (without one: its own) is used up."""

    @property
    def limits(self) -> Limits:
        """Its limits, whatever kind of child it is; of a kind of your own those that its `run` has."""
        found = getattr(self.run, "limits", None)
        return found if isinstance(found, Limits) else Limits()

    def __attrs_post_init__(self) -> None:
        for name in ("startup_crashes", "same_exits"):
            if (getattr(self, name) or 0) < 0:
                raise SpecError(f"child {self.id!r}: {name} must be >= 0, not {getattr(self, name)}")
        if isinstance(self.run, SupervisorSpec) and (self.account or self.budget or self.quota):
            raise SpecError(f"child {self.id!r}: account, budget and quota are for children that are no supervisor")
        if self.listen is not None and (self.port is None or not isinstance(self.run, ProcessSpec)):
            raise SpecError(f"child {self.id!r}: listen needs a port, and a child that is a process")
        if self.log and isinstance(self.run, SupervisorSpec):
            raise SpecError(f"child {self.id!r}: log is for children that are no supervisor")
        if self.ring is not None and isinstance(self.run, SupervisorSpec):
            raise SpecError(f"child {self.id!r}: ring is for children that are no supervisor")
        if isinstance(self.run, SupervisorSpec) and self.run.tails is not None:
            raise SpecError(f"child {self.id!r}: tails is for the top supervisor: it holds for the whole tree")
        if not isinstance(self.run, ProcessSpec) and any(isinstance(each.check, Notify) for each in self.probes):
            raise SpecError(f"child {self.id!r}: notify is for children that are processes")
        if isinstance(self.run, RemoteSpec):
            self._check_remote()
        if not isinstance(self.run, ContainerSpec) and any(
            isinstance(each.check, EngineHealth) for each in self.probes
        ):
            raise SpecError(f"child {self.id!r}: engine is for children that are containers")
        if isinstance(self.run, ContainerSpec):
            self._check_container(self.run)
        piped = isinstance(self.run, ProcessSpec) and self.run.stdin is Stdin.PIPE
        if not piped and any(isinstance(each.check, Stdio) for each in self.probes):
            raise SpecError(f"child {self.id!r}: a probe over stdio needs a child that is a process, with stdin: pipe")
        reads = isinstance(self.run, ProcessSpec | ContainerSpec) and self.run.stdin is not Stdin.NULL
        if not reads and any(isinstance(step, CloseStdinStep | SendStep) for step in self.stop or ()):
            raise SpecError(f"child {self.id!r}: stop: close_stdin and send need stdin: pipe or pty")

    def _check_container(self, run: ContainerSpec) -> None:
        if self.port is not None and run.network == "none":
            raise SpecError(f"child {self.id!r}: a port needs a network, and container: network is none")
        if self.port is None and run.wants_port:
            raise SpecError(f"child {self.id!r}: container: ports: {{port}} is the child's port, and it has none")

    def _check_remote(self) -> None:
        if not (self.readiness or self.health):
            raise SpecError(f"child {self.id!r}: a remote needs readiness or health: nothing else tells how it is")
        if self.port is not None:
            raise SpecError(f"child {self.id!r}: port is for children that run here; that of a remote is in its URL")
        if any(isinstance(each.check, Log | Exec) for each in self.probes):
            raise SpecError(f"child {self.id!r}: log and exec are for children that run here, not for a remote")

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Those that it has, in the order in which they begin."""
        if self.startup is None and self.readiness is None and self.health is None:
            return ()
        return tuple([probe for probe in (self.startup, self.readiness, self.health) if probe is not None])

    @property
    def notifies(self) -> bool:
        """Whether it is given a socket for its notifications (sd_notify(3))."""
        if not isinstance(self.run, ProcessSpec):
            return False
        return self.run.notify or any(isinstance(probe.check, Notify) for probe in self.probes)


@frozen
class SupervisorSpec:
    """A supervisor: the root of a tree, or a child like any other. None: by profile."""

    children: tuple[ChildSpec, ...] = ()
    """In start order."""
    profile: Profile = Profile.FLEET
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity | None = None
    """Fleet: 5 in 60 s; otp: 1 in 5 s."""
    at_limit: AtLimit | None = None
    """Fleet: hold; otp: escalate."""
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    stop_deadline: float | None = None
    """For the whole stop; then every grace is cut to nothing. Fleet: 30 s; otp: none."""
    max_parallel_starts: int = field(default=20, validator=positive("max_parallel_starts"))
    max_children: float = math.inf
    """For `simple_one_for_one`: no more instances than this, those in backoff included."""
    template: ChildSpec | None = None
    """For `simple_one_for_one`: what `start_child` makes instances of; None: each `start_child` brings its own spec
    (Elixir's DynamicSupervisor).
    """
    accounts: Mapping[str, Account] = Factory(dict)
    """Budgets and quotas by the names that children of the whole tree have as their `account`; of the top one only."""
    containers: ContainerPolicy = ContainerPolicy()  # noqa: RUF009 -- frozen
    """What containers of the whole tree may be given; of the top one only."""
    journal: JournalLimits | None = Factory(JournalLimits)
    """What a run from a file keeps of what has happened, in its state directory; of the top one only. None: nothing."""

    tails: TailLimits | None = None
    """How much of what removed children have said is kept, in the whole tree; only for the top one. None:
    `TailLimits()`.
    """

    def __attrs_post_init__(self) -> None:
        dynamic = self.strategy is Strategy.SIMPLE_ONE_FOR_ONE
        if dynamic and self.children:
            raise SpecError("simple_one_for_one has a template, not children")
        if dynamic and self.auto_shutdown is not AutoShutdown.NEVER:
            raise SpecError("auto_shutdown must be never under simple_one_for_one")
        if not dynamic and self.template is not None:
            raise SpecError("a template needs the strategy simple_one_for_one")
        seen: dict[str, str] = {}
        for child in self.children:
            _check_significant(child, self.auto_shutdown)
            other = seen.get(child.id.lower())
            if other == child.id:
                raise SpecError(f"child {child.id!r}: there is another one of this id")
            if other is not None:
                raise SpecError(f"child {child.id!r}: there is {other!r}, and ids must differ in more than case")
            seen[child.id.lower()] = child.id


def _check_significant(child: ChildSpec, mode: AutoShutdown) -> None:
    if child.significant and mode is AutoShutdown.NEVER:
        raise SpecError(f"child {child.id!r}: significant means nothing as long as auto_shutdown is never")
    if child.significant and child.restart is Restart.PERMANENT:
        raise SpecError(f"child {child.id!r}: a permanent child can't be significant, as it never ends for good")
