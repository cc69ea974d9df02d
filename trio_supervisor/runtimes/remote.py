"""A child that somebody else runs: to start it is to begin to watch it, to stop it is to end that.

Nothing of it is here. Whether it is there is what its probes say; what is lost and comes back is the same life.
"""

import trio

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import SpecError
from trio_supervisor.runtimes.base import Launch, Life
from trio_supervisor.spec import Address, AskStep, ChildSpec, RemoteSpec, Secret, SecretHeader
from trio_supervisor.vault import note_secret_sources


class RemoteRuntime:
    """Makes the times in which one endpoint is watched."""

    port: int | None = None
    announces = False

    def __init__(self, spec: ChildSpec) -> None:
        if not isinstance(spec.run, RemoteSpec):
            raise SpecError(f"child {spec.id!r}: not a remote")
        note_secret_sources(spec)
        self._spec = spec.run

    def life(self, launch: Launch) -> Life:
        """A new time of watching; secrets are looked up anew."""
        return RemoteLife(self._spec)

    def close(self) -> None:
        """Nothing is kept."""


class RemoteLife:
    """One time of watching."""

    starts_at_once = False
    pid: int | None = None

    def __init__(self, spec: RemoteSpec) -> None:
        self._spec = spec
        self._over = trio.Event()
        self.address = Address(spec.remote)
        """Where it is; with its headers once started."""

    async def start(self) -> None:
        """Look up the secrets that are sent along. Raises StartError if some can't be had."""
        await trio.lowlevel.checkpoint()
        plain = {name: value for name, value in self._spec.headers.items() if isinstance(value, str)}
        secret = {name: value for name, value in self._spec.headers.items() if isinstance(value, SecretHeader)}
        found = await _looked_up({name: value.secret for name, value in secret.items()}) if secret else {}
        self.address = Address(
            self._spec.remote, {**plain, **{name: value.prefix + found[name] for name, value in secret.items()}}
        )

    async def wait(self) -> Exit:
        """Wait until the watching is to end."""
        await self._over.wait()
        return Exit(How.CANCELLED, detail="watched no more")

    async def ask(self, step: AskStep) -> None:
        """End the watching."""
        self._over.set()

    def kill(self) -> None:
        """End the watching."""
        self._over.set()


async def _looked_up(secrets: dict[str, Secret]) -> dict[str, str]:
    # Most remote children have none, and need nothing of what processes need.
    from trio_supervisor.runtimes.process.outside import look_up  # noqa: PLC0415

    return await look_up(secrets)
