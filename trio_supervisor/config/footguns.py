"""What is allowed but hardly meant."""

import math
from collections.abc import Iterator

from trio_supervisor.config.container_footguns import find_container_footguns
from trio_supervisor.config.drafts import Draft
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.mistakes import Mistake, Mistakes
from trio_supervisor.config.nodes import Mapping, Sequence
from trio_supervisor.config.probe_footguns import find_probe_footguns, place_of
from trio_supervisor.config.source import Place
from trio_supervisor.core.policy import Backoff, Profile
from trio_supervisor.spec import ChildSpec, ProcessSpec, Stdin


def find_footguns(draft: Draft, warnings: Mistakes) -> None:
    """Warn of values of an agent, and of it and its supervisor, that contradict each other."""
    if draft.spec is None:
        return
    for place, message in (
        *_contradictions(draft.node, draft.spec),
        *find_probe_footguns(draft.node, draft.spec),
        *find_container_footguns(draft.node, draft.spec),
        *_window_of_nothing(draft.written, draft.spec),
        *_two_deadlines(draft, draft.spec),
        *_long_stop(draft, draft.spec),
    ):
        if place is not None:
            warnings.add(Mistake(place, message, agent=draft.if_elsewhere(place)))


def _contradictions(node: Mapping, spec: ChildSpec) -> Iterator[tuple[Place | None, str]]:
    backoff = spec.backoff or Backoff()
    if backoff.initial > backoff.max:
        initial, longest = format_duration(backoff.initial), format_duration(backoff.max)
        place = place_of(node, "backoff", "initial") or place_of(node, "backoff", "max")
        yield place, f"backoff: initial {initial} is longer than max {longest}, which wins"


def _window_of_nothing(written: Mapping, spec: ChildSpec) -> Iterator[tuple[Place | None, str]]:
    if isinstance(spec.run, ProcessSpec) and spec.run.stdin is not Stdin.PTY:
        yield place_of(written, "window"), "window: there is no terminal: write stdin: pty"


def _two_deadlines(draft: Draft, spec: ChildSpec) -> Iterator[tuple[Place | None, str]]:
    place = place_of(draft.written, "start_timeout")
    probe = spec.startup or spec.readiness
    if place is not None and probe is not None and spec.start_timeout != math.inf:
        name = "readiness" if probe is spec.readiness else "startup"
        deadline = format_duration(probe.deadline)
        yield place, f"start_timeout does not count beside a {name} probe, whose deadline of {deadline} does"


def _long_stop(draft: Draft, spec: ChildSpec) -> Iterator[tuple[Place | None, str]]:
    group = draft.group
    if group.spec is None or (spec.stop is None and draft.inner is not None):
        return
    otp = group.profile is Profile.OTP
    longest = group.spec.stop_deadline
    if longest is None:
        longest = math.inf if otp else _STOP_DEADLINE
    grace = (_GRACE_IN_OTP if otp else _GRACE) if spec.stop is None else sum(step.wait for step in spec.stop)
    if grace > longest:
        place, name = _of_stop(draft)
        message = f"{name} {format_duration(grace)} is longer than stop_deadline {format_duration(longest)}, which wins"
        yield place or place_of(group.node, "stop_deadline"), message


def _of_stop(draft: Draft) -> tuple[Place | None, str]:
    """What says how long a stop may take, and its name."""
    stop = draft.node.get("stop")
    if isinstance(stop, Sequence):
        return stop.place, "stop: in all"
    if draft.has("stop"):
        return place_of(stop, "grace"), "stop: grace"
    if draft.has("grace"):
        return place_of(draft.node, "grace"), "grace"
    if draft.has("preset"):
        return place_of(draft.node, "preset"), "preset: in all"
    return None, "stop: grace"


# What the profiles say where a file says nothing.
_GRACE, _GRACE_IN_OTP, _STOP_DEADLINE = 10.0, 5.0, 30.0
