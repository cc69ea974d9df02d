"""Where our own cgroup is, in version 2 and in the hierarchies of version 1, which may both be mounted (cgroups(7))."""

import os
from collections.abc import Mapping

V2 = ""
"""The name of the hierarchy of version 2, as in /proc/self/cgroup; one of version 1 is named by its controllers."""
USED = (V2, "memory", "pids")
"""The hierarchies that are of use to us."""


def own_groups() -> dict[str, str]:
    """Our own cgroup's directory in each of the `USED` hierarchies; what can't be seen is left out."""
    try:
        with open("/proc/self/mountinfo") as mounts, open("/proc/self/cgroup") as places:
            found = parse(mounts.read(), places.read())
    except OSError:  # no Linux, or no /proc
        return {}
    # Whoever joins a group that only looks like our own would leave the real one.
    return {name: found[name] for name in USED if name in found and os.getpid() in members(found[name])}


def parse(mountinfo: str, membership: str) -> dict[str, str]:
    """The directories that these two files of /proc/self name, by controller; see `own_groups`."""
    places = _places(membership)
    found: dict[str, str] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, point = (_unescaped(field) for field in before.split()[3:5])
        kind, _, options = after.split(maxsplit=2)
        # A later mount hides an earlier one at the same place.
        for name in _hierarchies(kind, options, places):
            if (below := _below(root, places[name])) is not None:
                found[name] = (point.rstrip("/") + below).rstrip("/") or "/"
    return found


def _places(membership: str) -> dict[str, str]:
    places: dict[str, str] = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            places[name] = path
    return places


def _hierarchies(kind: str, options: str, places: Mapping[str, str]) -> list[str]:
    match kind:
        case "cgroup2":
            return [V2] if V2 in places else []
        case "cgroup":
            return [name for name in options.split(",") if name and name in places]
        case _:
            return []


def _below(root: str, place: str) -> str | None:
    """The way from the root of a mount to our place; None when the mount does not show it."""
    # `..` is what lies outside of our cgroup namespace, and has no name here.
    if ".." in root.split("/") or ".." in place.split("/"):
        return None
    root = root.rstrip("/")
    if place != root and not place.startswith(root + "/"):
        return None
    return place[len(root) :].rstrip("/")


def _unescaped(field: str) -> str:
    for code in ("040", "011", "012", "134"):
        field = field.replace("\\" + code, chr(int(code, 8)))
    return field


def members(path: str) -> list[int]:
    """Who is in this group itself, not below it; 0 stands for a process that our PID namespace does not show."""
    try:
        with open(path + "/cgroup.procs") as file:
            return [int(line) for line in file]
    except OSError:
        return []
