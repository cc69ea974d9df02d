"""Probes of containers that are allowed but hardly meant: what engines do in the place of an agent, or beside it."""

from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.nodes import Mapping
from trio_supervisor.config.probe_footguns import Warnings, place_of
from trio_supervisor.spec import ChildSpec, ContainerSpec, Exec, Tcp, expand, split_address

SHORT = 10.0
"""Seconds: Podman keeps about sixty processes for a container that is asked so often by a command."""


def find_container_footguns(node: Mapping, spec: ChildSpec) -> Warnings:
    """What of the probes of an agent in a container says nothing, or costs much."""
    if not isinstance(spec.run, ContainerSpec):
        return
    for name, probe in (("startup", spec.startup), ("readiness", spec.readiness), ("health", spec.health)):
        if probe is None:
            continue
        check = probe.check
        if isinstance(check, Tcp) and _is_published(check.tcp, spec.run):
            message = (
                f"{name}: Docker accepts connections at a published port, whether or not anything in the container "
                "listens: ask by http, exec or log"
            )
            yield place_of(node, name, "tcp"), message
        elif isinstance(check, Exec) and name != "startup" and probe.period < SHORT:
            message = (
                f"{name}: exec every {format_duration(probe.period)}: Podman keeps two processes for 5 minutes after "
                f"each: write a period of {format_duration(SHORT)} or more, or ask otherwise"
            )
            yield place_of(node, name, "period") or place_of(node, name, "exec"), message


def _is_published(address: str, run: ContainerSpec) -> bool:
    if run.network == "host":
        return False
    if "{port}" in address:
        return True
    return split_address(expand(address, "x", 1))[1] in {each.outer for each in run.ports}
