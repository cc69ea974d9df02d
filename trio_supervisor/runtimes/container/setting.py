"""The setting of a life in a container: its secrets, mounts, port and environment, looked up at each start."""

import math
import os
from collections.abc import Callable, Mapping
from itertools import count

import trio

from trio_supervisor.errors import SpecError, StartError
from trio_supervisor.runtimes.base import Launch, Stream
from trio_supervisor.runtimes.container.engine import Plan
from trio_supervisor.runtimes.container.form import form_of, name_of, variables
from trio_supervisor.runtimes.process.command import capture_command
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.redacted import KnownValues, RedactedOutput, too_short
from trio_supervisor.runtimes.process.secrets import resolve
from trio_supervisor.spec import ContainerPolicy, ContainerSpec, is_owned
from trio_supervisor.spec.container import Mount
from trio_supervisor.vault import current_vault

_numbers = count(1)


class Setting:
    """What one life is given, and where its output goes."""

    def __init__(
        self,
        spec: ContainerSpec,
        policy: ContainerPolicy,
        private: Callable[[], Mapping[str, str]],
        shares_files: Callable[[], bool],
        launch: Launch,
        lease: PortLease | None,
        known: KnownValues,
        instance: str,
        deadline: float,
    ) -> None:
        """`known`: the secrets of the lives before; `private` gives what is not mounted whatever the policy says (see
        `ContainerPolicy.check_mount`); `shares_files`: whether its engine is known to see the files that are seen here;
        `deadline`: so many seconds its start may take, once it has an engine.
        """
        self.spec = spec
        self.launch = launch
        self.name = name_of(launch, instance, next(_numbers))
        self.redacted: RedactedOutput | None = None
        """What takes the output in that may hold secrets; None: there are none."""
        self._policy = policy
        self._private = private
        self._shares_files = shares_files
        self._lease = lease
        self._known = known
        self._instance = instance
        self._deadline = deadline
        self._secrets: dict[str, str] = {}
        self._mounts: list[tuple[Mount, str]] = []

    @property
    def port(self) -> int | None:
        """The port that it is reached by, if it has one."""
        return None if self._lease is None else self._lease.port

    async def look_up(self) -> None:
        """Look up what may have changed since the life before. Raises StartError."""
        try:
            if self.spec.mounts:
                # Links may lead elsewhere by now; and a network file system may hang.
                self._mounts = await trio.to_thread.run_sync(self._look_up_mounts, abandon_on_cancel=True)
        except SpecError as error:
            raise StartError(str(error), again=False) from error
        await self._look_up_secrets()
        if self._lease is not None:
            await self._lease.secure(self.say)
        owned = [name for name in self.spec.env if is_owned(name)]
        if owned and self.launch.generation == 1:
            self.say(f"not given to it, as only the supervisor sets these: {', '.join(owned)}")

    def _look_up_mounts(self) -> list[tuple[Mount, str]]:
        private = self._private()
        found = [(each, self._policy.check_mount(each, private)) for each in self.spec.mounts]
        missing = [each.source for each, source in found if each.is_path and not os.path.exists(source)]
        # Podman would make a directory, as root; elsewhere they may be there.
        if missing and self._shares_files():
            raise StartError(f"mounts: {', '.join(missing)}: not there; make it, or correct the path")
        return found

    async def _look_up_secrets(self) -> None:
        if not self.spec.secrets and not self._known:
            return
        self._secrets = await resolve(
            self.spec.secrets,
            os.environ,
            lambda command, within: capture_command(command, None, os.environ, within),
        )
        current_vault().add(map(os.fsencode, self._secrets.values()))
        self._known.add(self._secrets)
        self.redacted = RedactedOutput(self.launch.output, self._known)
        if (short := too_short(self._secrets)) and self.launch.generation == 1:
            self.say(f"not hidden in its output, as they have less than 8 bytes: {', '.join(short)}")

    @property
    def plan(self) -> Plan:
        """What its engine is asked for."""
        env = variables(self.spec, self.launch, self.port, self._secrets)
        form = form_of(self.spec, self.launch, self.port, self._instance, env, self._mounts)
        return Plan(self.name, self.spec.image, form)

    @property
    def output(self) -> Callable[[Stream, bytes], None]:
        """Takes what it says, without the secrets."""
        return self.launch.output if self.redacted is None else self.redacted.take

    def waits_for(self, what: str) -> None:
        """Tell what its start waits for, as its status; empty: nothing. That is no part of the time that it has."""
        told = {"STATUS": f"waits for {what}" if what else ""}
        if self._deadline < math.inf:
            told["EXTEND_TIMEOUT_USEC"] = str(math.ceil(self._deadline * 1e6))
        self.launch.notified(told)

    def tells(self, what: str) -> None:
        """Tell what it is doing, as its status; empty: nothing."""
        self.launch.notified({"STATUS": what})

    def say(self, text: str) -> None:
        """Tell its owner something."""
        self.output(Stream.SUPERVISOR, text.encode(errors="backslashreplace") + b"\n")
