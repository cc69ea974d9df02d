"""The runtime of children that are OS processes: makes their lives, keeps their port between them."""

from trio_supervisor.errors import SpecError
from trio_supervisor.runtimes.base import Launch, Runtime
from trio_supervisor.runtimes.process.life import ProcessLife
from trio_supervisor.runtimes.process.notify import Notifying
from trio_supervisor.runtimes.process.ports import PortLease
from trio_supervisor.runtimes.process.redacted import KnownValues
from trio_supervisor.spec import ChildSpec, Notify, ProcessSpec
from trio_supervisor.vault import note_secret_sources


class ProcessRuntime:
    """The `Runtime` of one child (see `trio_supervisor.runtimes.base`)."""

    announces = False

    def __init__(self, spec: ChildSpec) -> None:
        """Reserve a fixed port, if it can be had.

        Raises:
            SpecError: the child is no process.
        """
        if not isinstance(spec.run, ProcessSpec):
            raise SpecError(f"child {spec.id!r}: not a process")
        self._process = spec.run
        note_secret_sources(spec)
        self._known = KnownValues()
        self._notifying = _notifying(spec)
        self._lease = None if spec.port is None else PortLease(spec.port, spec.id, spec.listen)

    @property
    def port(self) -> int | None:
        """The port held for the child; None without one, or as long as none could be had."""
        return None if self._lease is None else self._lease.port

    def succeed(self, before: Runtime) -> None:
        """It stands for the child from now on: what was a secret of the lives before stays one."""
        if isinstance(before, ProcessRuntime):
            self._known = before._known

    def life(self, launch: Launch) -> ProcessLife:
        """A new life, not started yet."""
        return ProcessLife(self._process, launch, self._lease, self._known, self._notifying)

    def close(self) -> None:
        """Give the port back."""
        if self._lease is not None:
            self._lease.release()


def _notifying(spec: ChildSpec) -> Notifying | None:
    if not spec.notifies:
        return None
    watched = spec.health is not None and isinstance(spec.health.check, Notify)
    return Notifying(spec.health.period if watched and spec.health is not None else None)
