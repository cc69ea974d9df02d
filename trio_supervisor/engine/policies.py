"""From specs to what the machine and the engine go by: the defaults of the two profiles (design part 5)."""

import math
from collections.abc import Mapping
from signal import Signals
from types import MappingProxyType

from trio_supervisor.core.policy import (
    AtLimit,
    Backoff,
    ChildPolicy,
    Condition,
    ExitCodes,
    Intensity,
    Profile,
    ReadyBy,
    Thresholds,
    TreePolicy,
)
from trio_supervisor.runtimes.base import Runtime
from trio_supervisor.spec import (
    FLEET_CODES,
    FLEET_CRASHES,
    Account,
    Budget,
    ChildSpec,
    RemoteSpec,
    SignalStep,
    Startup,
    StopStep,
    SupervisorSpec,
)

REMOTE_DEADLINE = 60.0
"""So long a remote child without a readiness probe may take until it is called unhealthy."""
NO_BACKOFF = Backoff(initial=0.0, max=0.0, jitter=0.0)
# What most children have is there once, not once for each.
_BACKOFF = Backoff()
_STEPS, _STEPS_OF_OTP = (SignalStep(wait=10.0),), (SignalStep(wait=5.0),)
_SIGNALS = frozenset([step.signal for step in _STEPS])
_ALONE: Mapping[str, Condition] = MappingProxyType({})


def tree_policy(spec: SupervisorSpec) -> TreePolicy:
    """What the machine has to know of a supervisor."""
    otp = spec.profile is Profile.OTP
    return TreePolicy(
        intensity=spec.intensity or (Intensity(1, 5.0) if otp else Intensity()),
        max_parallel_starts=spec.max_parallel_starts,
        stop_deadline=(math.inf if otp else 30.0) if spec.stop_deadline is None else spec.stop_deadline,
        profile=spec.profile,
        strategy=spec.strategy,
        at_limit=spec.at_limit or (AtLimit.ESCALATE if otp else AtLimit.HOLD),
        auto_shutdown=spec.auto_shutdown,
        template=None if spec.template is None else spec.template.id,
        max_children=spec.max_children,
    )


def child_policy(
    spec: ChildSpec, runtime: Runtime, profile: Profile = Profile.FLEET, account: Account | None = None
) -> ChildPolicy:
    """What the machine has to know of a child; `account`: what its account is specified as, if it has one."""
    crashes, codes = (0, ExitCodes()) if profile is Profile.OTP else (FLEET_CRASHES, FLEET_CODES)
    ready_by, deadline, thresholds = ReadyBy.START, spec.start_timeout, Thresholds()
    if spec.readiness is not None:
        ready_by, deadline = ReadyBy.PROBE, spec.readiness.deadline
        thresholds = Thresholds(spec.readiness.failures, spec.readiness.successes)
    elif isinstance(spec.run, RemoteSpec):
        ready_by, deadline = ReadyBy.HEALTH, min(spec.start_timeout, REMOTE_DEADLINE)
    elif runtime.announces:
        ready_by = ReadyBy.ITSELF
    if spec.startup is not None:
        deadline = spec.startup.deadline
    limits = spec.limits
    return ChildPolicy(
        restart=spec.restart,
        backoff=spec.backoff or (NO_BACKOFF if profile is Profile.OTP else _BACKOFF),
        ready_by=ready_by,
        start_deadline=deadline,
        readiness=thresholds,
        health=None if spec.health is None else Thresholds(spec.health.failures, spec.health.successes),
        depends_on=_dependencies(spec),
        binds_to=spec.binds_to,
        intensity=spec.intensity,
        significant=spec.significant,
        supervisor=isinstance(spec.run, SupervisorSpec),
        brutal_kill=spec.stop == (),
        stop_signals=_signals(stop_steps(spec, profile)),
        exit_codes=spec.exit_codes or codes,
        startup_crashes=crashes if spec.startup_crashes is None else spec.startup_crashes,
        same_exits=crashes if spec.same_exits is None else spec.same_exits,
        lifetime=limits.lifetime,
        idle=limits.idle,
        progress=limits.progress,
        drain=limits.drain,
        budget=spec.budget,
        silent_meter=_silent_meter(spec.budget, None if account is None else account.budget),
        startup=None if spec.startup is None else _startup(spec.startup),
        remote=isinstance(spec.run, RemoteSpec),
    )


def _dependencies(spec: ChildSpec) -> Mapping[str, Condition]:
    if not spec.binds_to and not spec.depends_on:
        return _ALONE
    return MappingProxyType(dict.fromkeys(spec.binds_to, Condition.STARTED) | dict(spec.depends_on))


def _signals(steps: tuple[StopStep, ...]) -> frozenset[Signals]:
    return _SIGNALS if steps is _STEPS else frozenset([step.signal for step in steps if isinstance(step, SignalStep)])


def _silent_meter(*budgets: Budget | None) -> float:
    """Seconds after which a meter of USD that says nothing has failed."""
    return min((each.silent_after for each in budgets if each and each.usd), default=math.inf)


def _startup(probe: Startup) -> Thresholds:
    return Thresholds(math.inf if probe.failures is None else probe.failures, probe.successes)


def stop_steps(spec: ChildSpec, profile: Profile) -> tuple[StopStep, ...]:
    """How a child is stopped, before it is killed."""
    if spec.stop is not None:
        return spec.stop
    if isinstance(spec.run, SupervisorSpec):
        return (SignalStep(wait=math.inf),)
    return _STEPS_OF_OTP if profile is Profile.OTP else _STEPS
