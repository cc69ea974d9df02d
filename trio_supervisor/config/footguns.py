"""What is allowed but hardly meant."""

from trio_supervisor.config.agents import Draft
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.config.nodes import Mapping
from trio_supervisor.config.source import Place
from trio_supervisor.spec import ChildSpec, Health, Readiness, SignalStep, SupervisorSpec


def find_footguns(draft: Draft, spec: ChildSpec, supervisor: SupervisorSpec, root: Mapping, warnings: Mistakes) -> None:
    """Warn of values of an agent that contradict each other."""

    def warn(place: Place | None, message: str) -> None:
        if place is not None:
            warnings.add(Mistake(place, message, agent=draft.if_elsewhere(place)))

    for name, probe in (("readiness", spec.readiness), ("health", spec.health)):
        if probe is not None and probe.timeout > probe.period:
            message = f"{name}: timeout {_said(probe.timeout)} is longer than the period {_said(probe.period)}"
            warn(_place(draft.node, name, "timeout"), message)
    if spec.readiness is not None and spec.readiness.deadline < spec.readiness.timeout:
        deadline, timeout = _said(spec.readiness.deadline), _said(spec.readiness.timeout)
        message = f"readiness: the deadline {deadline} is shorter than the timeout {timeout} of one answer"
        warn(_place(draft.node, "readiness", "deadline"), message)
    if spec.backoff.initial > spec.backoff.max:
        message = f"backoff: initial {_said(spec.backoff.initial)} is longer than max {_said(spec.backoff.max)}, which wins"
        warn(_place(draft.node, "backoff", "initial") or _place(draft.node, "backoff", "max"), message)
    grace = sum(step.wait for step in spec.stop)
    if grace > supervisor.stop_deadline:
        place = _place(draft.node, "stop", "grace") or _place(root, "supervisor", "stop_deadline")
        message = f"stop: grace {_said(grace)} is longer than stop_deadline {_said(supervisor.stop_deadline)}, which wins"
        warn(place, message)


def _said(seconds: float) -> str:
    return format_duration(seconds)


def _place(node: Mapping, section: str, key: str) -> Place | None:
    """Where a value is written, if it is."""
    found = node.get(section)
    value = found.get(key) if isinstance(found, Mapping) else None
    return None if value is None else value.place
