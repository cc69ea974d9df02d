"""The runtime of children that live in containers: makes their lives, keeps their port between them."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from trio_supervisor.errors import SpecError, StartError
from trio_supervisor.runtimes.base import Launch, Runtime
from trio_supervisor.runtimes.container.address import engine_address, shares_files
from trio_supervisor.runtimes.container.docker import DockerEngine
from trio_supervisor.runtimes.container.life import ContainerLife
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.runtimes.container.undead import Undead
from trio_supervisor.runtimes.container.watch import Connect, Listener, listener_of
from trio_supervisor.runtimes.process.current import current_spawner
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.redacted import KnownValues
from trio_supervisor.spec import ChildSpec, ContainerPolicy, ContainerSpec
from trio_supervisor.spec.container_policy import engine_socket
from trio_supervisor.vault import note_secret_sources

_NO_POLICY = ContainerPolicy()


class ContainerRuntime:
    """The `Runtime` of one child (see `trio_supervisor.runtimes.base`)."""

    announces = False

    def __init__(
        self,
        spec: ChildSpec,
        policy: ContainerPolicy = _NO_POLICY,
        private: Mapping[str, str] = MappingProxyType({}),
        connect: Connect = DockerEngine,
    ) -> None:
        """Reserve a fixed port, if it can be had. `private`: paths that are not mounted whatever the policy says, and
        what they are; `connect` makes an engine of its address.

        Raises:
            SpecError: the child is no container, or the policy does not allow it.
        """
        if not isinstance(spec.run, ContainerSpec):
            raise SpecError(f"child {spec.id!r}: not a container")
        self._spec = spec.run
        self._policy = policy
        self._private_paths = private
        policy.check(spec.run, self._private())
        probe = spec.startup or spec.readiness
        self._deadline = spec.start_timeout if probe is None else probe.deadline
        self._connect = connect
        self._undead = Undead()
        self._known = KnownValues()
        note_secret_sources(spec)
        self._lease = None if spec.port is None else PortLease(spec.port, spec.id)

    @property
    def port(self) -> int | None:
        """The port held for the child; None without one, or as long as none could be had."""
        return None if self._lease is None else self._lease.port

    def succeed(self, before: Runtime) -> None:
        """It stands for the child from now on, in the place of another runtime: what that could not remove is waited
        for, and what was a secret stays one.
        """
        if isinstance(before, ContainerRuntime):
            self._undead, self._known = before._undead, before._known

    def life(self, launch: Launch) -> ContainerLife:
        """A new life, not started yet."""
        setting = Setting(
            self._spec,
            self._policy,
            self._private,
            self._shares_files,
            launch,
            self._lease,
            self._known,
            current_spawner().instance,
            self._deadline,
        )
        return ContainerLife(setting, self._lease, self._listener, self._undead)

    def _private(self) -> dict[str, str]:
        return private_of(self._spec, self._private_paths)

    def _shares_files(self) -> bool:
        try:
            return shares_files(engine_address(self._spec.engine, os.environ))
        except StartError:
            return False

    def _listener(self) -> Listener:
        """Who listens to its engine, as that is found now. Raises StartError."""
        address = engine_address(self._spec.engine, os.environ)
        return listener_of(address, current_spawner().instance, self._connect)

    def close(self) -> None:
        """Give the port back."""
        if self._lease is not None:
            self._lease.release()


def private_of(spec: ContainerSpec, private: Mapping[str, str]) -> dict[str, str]:
    """What it is not given whatever a policy says: beside `private` the socket of its engine, as that is found now."""
    try:
        address = engine_address(spec.engine, os.environ)
    except StartError:
        address = ""  # none is asked for anything, either
    return {**private, **engine_socket(address)}
