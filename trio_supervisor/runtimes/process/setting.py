"""The setting of a life: whom it runs as, its secrets, environment and command; looked up at each start."""

import os
from collections.abc import Callable

import trio
from attrs import evolve

from trio_supervisor.runtimes.base import Launch, Stream
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account, find_account
from trio_supervisor.runtimes.process.command import capture_command
from trio_supervisor.runtimes.process.current import current_environ
from trio_supervisor.runtimes.process.environment import Environment, build_environment, child_command
from trio_supervisor.runtimes.process.plan import plan_of
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.redacted import KnownValues, RedactedOutput, too_short
from trio_supervisor.runtimes.process.secrets import resolve
from trio_supervisor.spec import ProcessSpec
from trio_supervisor.system.birth import Plan
from trio_supervisor.vault import current_vault, secret_sources
from trio_supervisor.workspaces import current as current_workspaces
from trio_supervisor.workspaces import make as make_workspace


class Setting:
    """What one life is given, and where its output goes."""

    __slots__ = ("_known", "_launch", "_lease", "_secrets", "_workspace", "account", "process", "redacted")

    def __init__(self, process: ProcessSpec, launch: Launch, lease: PortLease | None, known: KnownValues) -> None:
        self.process = process
        self.account: Account = NOBODY_ELSE
        self.redacted: RedactedOutput | None = None
        """What takes the output in that may hold secrets; None: there are none."""
        self._launch = launch
        self._lease = lease
        self._known = known
        self._secrets: dict[str, str] = {}
        self._workspace = ""

    async def look_up(self) -> None:
        """Look up what may have changed since the life before. Raises StartError."""
        self.account = find_account(self.process.user, self.process.group)
        await self._enter_workspace()
        await self._look_up_secrets()
        if self._lease is not None:
            await self._lease.secure(self.say)

    async def _enter_workspace(self) -> None:
        written = self.process.workspace
        if written is False:
            return
        uid = os.geteuid() if self.account.uid is None else self.account.uid
        gid = os.getegid() if self.account.gid is None else self.account.gid
        self._workspace = await trio.to_thread.run_sync(
            make_workspace, self._launch.child, written, current_workspaces(), uid, gid
        )
        if self.process.cwd is None:
            self.process = evolve(self.process, cwd=self._workspace)

    async def _look_up_secrets(self) -> None:
        secrets = self.process.secrets
        if not secrets and not self._known:
            return
        # As the supervisor itself, which may be allowed what the child is not.
        self._secrets = await resolve(
            secrets, os.environ, lambda command, within: capture_command(command, self.process.cwd, os.environ, within)
        )
        current_vault().add(map(os.fsencode, self._secrets.values()))
        self._known.add(self._secrets)
        self.redacted = RedactedOutput(self._launch.output, self._known)
        if (short := too_short(self._secrets)) and self._launch.generation == 1:
            self.say(f"not hidden in its output, as they have less than 8 bytes: {', '.join(short)}")

    @property
    def port(self) -> int | None:
        """Its port, if it has one."""
        return None if self._lease is None else self._lease.port

    @property
    def sockets(self) -> tuple[int, ...]:
        """The descriptors of the sockets that it is handed."""
        return () if self._lease is None else self._lease.sockets

    @property
    def command(self) -> tuple[str, ...]:
        """Program and arguments."""
        return child_command(self.process, self._launch, self.port)

    def environment(self, marker: str) -> dict[str, str]:
        """Its whole environment; `marker`: the token of the life (see `system.lineage`)."""
        return self._environment(marker).variables

    def plan(self, marker: str, join: tuple[str, ...] = ()) -> Plan:
        """The plan of its birth; `join`: the `cgroup.procs` files that it is born into. Raises StartError."""
        environment = self._environment(marker)
        if environment.refused and self._launch.generation == 1:
            self.say(environment.complaint)
        return plan_of(
            self.process,
            self.command,
            environment.variables,
            account=self.account,
            join=join,
            listen=bool(self.sockets),
        )

    def _environment(self, marker: str) -> Environment:
        return build_environment(
            self.process,
            self._launch,
            self.port,
            environ=current_environ(),
            secrets=self._secrets,
            lineage_token=marker,
            account=self.account.entry,
            withheld=secret_sources(),
            told=self._told(),
        )

    def _told(self) -> dict[str, str]:
        told = {"AGENT_WORKSPACE": self._workspace} if self._workspace else {}
        if count := len(self.sockets):
            told |= {"LISTEN_FDS": str(count), "LISTEN_FDNAMES": self._launch.child}
        return told

    @property
    def output(self) -> Callable[[Stream, bytes], None]:
        """Takes what it says, without the secrets."""
        return self._launch.output if self.redacted is None else self.redacted.take

    def say(self, text: str) -> None:
        """Tell its owner something."""
        self.output(Stream.SUPERVISOR, text.encode(errors="backslashreplace") + b"\n")
