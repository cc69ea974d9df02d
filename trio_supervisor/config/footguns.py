"""What is allowed but hardly meant."""

from collections.abc import Iterator

from trio_supervisor.config.agents import Draft
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.config.nodes import Mapping
from trio_supervisor.config.source import Place
from trio_supervisor.spec import ChildSpec, SupervisorSpec


def find_footguns(draft: Draft, spec: ChildSpec, supervisor: SupervisorSpec, root: Mapping, warnings: Mistakes) -> None:
    """Warn of values of an agent that contradict each other; `root` is the file in which `supervisor` stands."""
    for place, message in _contradictions(draft.node, spec, supervisor, root):
        if place is not None:
            warnings.add(Mistake(place, message, agent=draft.if_elsewhere(place)))


def _contradictions(
    node: Mapping, spec: ChildSpec, supervisor: SupervisorSpec, root: Mapping
) -> Iterator[tuple[Place | None, str]]:
    for name, probe in (("readiness", spec.readiness), ("health", spec.health)):
        if probe is not None and probe.timeout > probe.period:
            timeout, period = format_duration(probe.timeout), format_duration(probe.period)
            yield _place(node, name, "timeout"), f"{name}: timeout {timeout} is longer than the period {period}"
    if spec.readiness is not None and spec.readiness.deadline < spec.readiness.timeout:
        deadline, timeout = format_duration(spec.readiness.deadline), format_duration(spec.readiness.timeout)
        message = f"readiness: deadline {deadline} is shorter than the timeout {timeout} of one answer"
        yield _place(node, "readiness", "deadline"), message
    if spec.backoff.initial > spec.backoff.max:
        initial, longest = format_duration(spec.backoff.initial), format_duration(spec.backoff.max)
        place = _place(node, "backoff", "initial") or _place(node, "backoff", "max")
        yield place, f"backoff: initial {initial} is longer than max {longest}, which wins"
    grace = sum(step.wait for step in spec.stop)
    if grace > supervisor.stop_deadline:
        longest = format_duration(supervisor.stop_deadline)
        place = _place(node, "stop", "grace") or _place(root, "supervisor", "stop_deadline")
        yield place, f"stop: grace {format_duration(grace)} is longer than stop_deadline {longest}, which wins"


def _place(node: Mapping, section: str, key: str) -> Place | None:
    """Where a value is written; None for a default that nobody has written, of which nobody needs to hear."""
    found = node.get(section)
    value = found.get(key) if isinstance(found, Mapping) else None
    return None if value is None else value.place
