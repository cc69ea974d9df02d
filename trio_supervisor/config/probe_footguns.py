"""Probes that are allowed but hardly meant."""

import math
from collections.abc import Iterator

from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.nodes import Mapping, Node
from trio_supervisor.config.source import Place
from trio_supervisor.spec import PUSHED, ChildSpec, File, Health, Log, Notify, Probe, ProcessSpec

Warnings = Iterator[tuple[Place | None, str]]

EARLY = 15.0
"""Seconds: an agent that may be restarted so soon after its start, ready or not, is perhaps only slow."""

_UNUSED = ("period", "timeout", "failures", "successes", "initial_delay", "jitter")


def find_probe_footguns(node: Mapping, spec: ChildSpec) -> Warnings:
    """What the probes of an agent contradict each other in, and themselves."""
    for name, probe in (("startup", spec.startup), ("readiness", spec.readiness), ("health", spec.health)):
        if probe is not None:
            yield from _of_one(node, name, probe)
    yield from _deadlines(node, spec)
    yield from _hasty_health(node, spec)


def _of_one(node: Mapping, name: str, probe: Probe) -> Warnings:
    if isinstance(probe.check, PUSHED):
        yield from _unused(node, name, probe)
    elif probe.timeout > probe.period:
        timeout, period = format_duration(probe.timeout), format_duration(probe.period)
        yield place_of(node, name, "timeout"), f"{name}: timeout {timeout} is longer than the period {period}"
    if not isinstance(probe, Health):
        return
    check = probe.check
    if isinstance(check, File) and check.max_age == math.inf:
        yield place_of(node, name, "file"), "health: a file that is there stays there: write max_age for a heartbeat"
    elif isinstance(check, File) and check.max_age < probe.period:
        age, period = format_duration(check.max_age), format_duration(probe.period)
        yield place_of(node, name, "max_age"), f"health: max_age {age} is shorter than the period {period} of the looks"
    if isinstance(check, Log) and not check.fail:
        yield place_of(node, name, "log"), "health: without 'fail' no line can ever make the agent unhealthy"


def _unused(node: Mapping, name: str, probe: Probe) -> Warnings:
    kind = "log" if isinstance(probe.check, Log) else "notify"
    counts = ("period", "failures", "successes") if kind == "notify" and isinstance(probe, Health) else ()
    for key in _UNUSED:
        if key not in counts:
            message = f"{name}: {key} does not count with '{kind}': the agent says it by itself, when it likes"
            yield place_of(node, name, key), message


def _deadlines(node: Mapping, spec: ChildSpec) -> Warnings:
    for name, probe in (("startup", spec.startup), ("readiness", spec.readiness)):
        if probe is None:
            continue
        deadline = format_duration(probe.deadline)
        if name == "readiness" and spec.startup is not None:
            yield (
                place_of(node, name, "deadline"),
                "readiness: deadline does not count beside startup, whose deadline does",
            )
        elif probe.deadline <= probe.initial_delay:
            delay = format_duration(probe.initial_delay)
            message = f"{name}: initial_delay {delay} is not shorter than the deadline {deadline}: it is never asked"
            yield place_of(node, name, "initial_delay") or place_of(node, name, "deadline"), message
        elif probe.deadline < probe.timeout and not isinstance(probe.check, PUSHED):
            timeout = format_duration(probe.timeout)
            message = f"{name}: deadline {deadline} is shorter than the timeout {timeout} of one answer"
            yield place_of(node, name, "deadline"), message


def _hasty_health(node: Mapping, spec: ChildSpec) -> Warnings:
    """Health without anything that waits for the start."""
    health = spec.health
    if (
        health is None
        or spec.startup is not None
        or spec.readiness is not None
        or not isinstance(spec.run, ProcessSpec)
    ):
        return
    if isinstance(health.check, Log | Notify | File):
        return
    first = health.period if health.initial_delay is None else health.initial_delay
    soonest = first + (health.failures - 1) * health.period
    if soonest < EARLY:
        place = place_of(node, "health", "initial_delay") or place_of(node, "health", "period")
        place = place or place_of(node, "health", "failures")
        message = (
            "health without startup or readiness: an agent that needs more than "
            f"{format_duration(soonest)} to start is restarted before it is up; write a startup probe"
        )
        yield place, message


def place_of(node: Node | None, *keys: str) -> Place | None:
    """Where a value is written; None for a default that nobody has written, of which nobody needs to hear."""
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return None if node is None else node.place
