"""What differs between two specs of a child, or of a supervisor: what a life must end for, and what changes in it."""

from collections.abc import Sequence

import attrs

from trio_supervisor.core.policy import Backoff, Intensity, Strategy
from trio_supervisor.record import record
from trio_supervisor.spec.checks import Stdio
from trio_supervisor.spec.child import ChildSpec, SupervisorSpec
from trio_supervisor.spec.container import ContainerSpec
from trio_supervisor.spec.probes import Probe
from trio_supervisor.spec.process import ProcessSpec, TaskSpec
from trio_supervisor.spec.remote import RemoteSpec
from trio_supervisor.spec.signs import Log, Notify

_CEILINGS = frozenset({"memory", "memory_soft", "pids", "rlimits"})
_AT_BIRTH = frozenset({"port", "listen"})
_OF_A_REMOTE = frozenset({"readiness", "health", "startup", "backoff"})
"""To begin its life anew is to begin to watch it anew, which costs it nothing."""
_WHOLE_LIFE = frozenset({"profile", "template"})
_NEXT_RUN = frozenset({"containers", "journal", "tails"})
_PROBES = ("startup", "readiness", "health")


@record
class Difference:
    """Names are those of the keys in a file; `limits.memory` is `memory` in `limits`."""

    restart: tuple[str, ...] = ()
    """What only a new life can have."""
    in_place: tuple[str, ...] = ()
    """What a life takes over as it is."""
    next_run: tuple[str, ...] = ()
    """Of the top supervisor: what only the next run can have."""

    def __bool__(self) -> bool:
        return bool(self.restart or self.in_place or self.next_run)


def child_difference(old: ChildSpec, new: ChildSpec) -> Difference:
    """Of two specs of one child, without what is in it if it is a supervisor: its own keys, and its children."""
    restart = _of_run(old, new)
    in_place: list[str] = []
    for field in attrs.fields(ChildSpec):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in ("id", "run") or before == after:
            continue
        names = restart if _needs_a_life(field.name, old, new) else in_place
        names.extend(_finer(field.name, before, after))
    for name in _differing(old.limits, new.limits):
        (restart if name in _CEILINGS else in_place).append(f"limits.{name}")
    return Difference(tuple(restart), tuple(in_place))


def _of_run(old: ChildSpec, new: ChildSpec) -> list[str]:
    if type(old.run) is not type(new.run):
        return [f"{_kind(old)} -> {_kind(new)}"]
    match old.run:
        case ProcessSpec() | TaskSpec() | RemoteSpec() | ContainerSpec():
            return [name for name in _differing(old.run, new.run) if name != "limits"]
        case SupervisorSpec():
            return []


def _kind(spec: ChildSpec) -> str:
    match spec.run:
        case ProcessSpec():
            return "command"
        case TaskSpec():
            return "task"
        case RemoteSpec():
            return "remote"
        case ContainerSpec():
            return "container"
        case SupervisorSpec():
            return "supervisor"


def _differing(old: object, new: object) -> list[str]:
    fields = attrs.fields(type(old))  # type: ignore[arg-type]  # all of them are attrs classes
    return [field.name for field in fields if getattr(old, field.name) != getattr(new, field.name)]


def _finer(name: str, before: object, after: object) -> list[str]:
    """The keys in a key that differ, where these can be told one by one."""
    if type(before) is not type(after) or not isinstance(before, Probe | Backoff | Intensity):
        return [name]
    keys: Sequence[str] = before.__match_args__
    found = [key for key in keys if getattr(before, key) != getattr(after, key)]
    return [name] if "check" in found else [f"{name}.{key}" for key in found]


def _needs_a_life(name: str, old: ChildSpec, new: ChildSpec) -> bool:
    if name in _AT_BIRTH or (isinstance(new.run, RemoteSpec) and name in _OF_A_REMOTE):
        return True
    if name not in _PROBES:
        return False
    before, after = getattr(old, name), getattr(new, name)
    if isinstance(new.run, TaskSpec) and name == "readiness" and (before is None or after is None):
        # Whether it says itself that it is ready is listened to from the beginning, or not at all.
        return True
    return _is_listened_to(before, after)


def _is_listened_to(before: Probe | None, after: Probe | None) -> bool:
    """Whether a probe waits for what a life says: it is told how when it is born, and nothing may be missed."""
    kinds = [type(probe.check) for probe in (before, after) if probe is not None]
    if before is None or after is None or before.check != after.check:
        # What may ask over its standard input filters what it says from the beginning.
        return not {Log, Notify, Stdio}.isdisjoint(kinds)
    return Notify in kinds and before.period != after.period


def tree_difference(old: SupervisorSpec, new: SupervisorSpec) -> Difference:
    """Of two specs of one supervisor, without its children."""
    names = [name for name in _differing(old, new) if name != "children"]
    dynamic = Strategy.SIMPLE_ONE_FOR_ONE
    restart = [
        name
        for name in names
        if name in _WHOLE_LIFE or (name == "strategy" and dynamic in (old.strategy, new.strategy))
    ]
    next_run = tuple(name for name in names if name in _NEXT_RUN)
    in_place = tuple(name for name in names if name not in (*restart, *next_run))
    return Difference(tuple(restart), in_place, next_run)
