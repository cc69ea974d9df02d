"""Who may write to a child: one at a time, known by name, also across its lives. For sessions and for probes alike."""

import math
from types import TracebackType
from typing import Self

import trio

from trio_supervisor.errors import WriterBusyError


class Lease:
    """The right to write to one child. Belongs to one Trio run."""

    def __init__(self, child: str) -> None:
        """`child`: its path, for people."""
        self.child = child
        self.written_at = -math.inf
        """When something was written by a session last, in seconds of Trio's clock."""
        self._writer: Writer | None = None
        self._over = False
        self._waiting = trio.lowlevel.ParkingLot()

    @property
    def holder(self) -> str:
        """Who writes; empty: nobody."""
        return "" if self._writer is None else self._writer.holder

    def take(self, holder: str, *, force: bool = False) -> "Writer":
        """Have the right from now on, under this name. `force`: take it away from whoever has it.

        Raises:
            WriterBusyError: somebody else has it.
        """
        if self._over:
            return Writer(self, holder)
        if self._writer is not None:
            if not force:
                raise WriterBusyError(self.child, self.holder)
            self._writer.release()
        self._writer = Writer(self, holder)
        return self._writer

    def end(self) -> None:
        """The child has ended for good: nobody writes to it any more, and nobody is in the way of anybody. Who writes
        now is not disturbed, and learns from what is written to that it is gone.
        """
        self._over = True
        self._writer = None
        self._waiting.unpark_all()

    async def wait_free(self) -> None:
        """Wait until nobody has it; another one may be faster to take it."""
        while self._writer is not None:
            await self._waiting.park()

    def _released(self, writer: "Writer") -> None:
        if self._writer is writer:
            self._writer = None
            self._waiting.unpark_all()


class Writer:
    """The right as somebody has it, until it is released or taken away. A context manager, which releases it."""

    def __init__(self, lease: Lease, holder: str) -> None:
        self.lease = lease
        self._busy: trio.CancelScope | None = None
        self.holder = holder
        self.held = True
        self.lost = trio.Event()
        """Set when it is released, or taken away."""

    def check(self) -> None:
        """Raises WriterBusyError: it is lost, or was given up."""
        if not self.held:
            words = f"{self.lease.holder} writes to it now" if self.lease.holder else "the right to write is given up"
            raise WriterBusyError(self.lease.child, self.lease.holder, words)

    def begin(self) -> trio.CancelScope:
        """The scope in which something is written: it is cancelled when the right is lost meanwhile.

        Raises:
            WriterBusyError: it is lost, or another task of the same holder is writing.
        """
        self.check()
        if self._busy is not None:
            raise WriterBusyError(self.lease.child, self.holder, f"another task of {self.holder} is writing")
        self._busy = trio.CancelScope()
        return self._busy

    def end(self) -> None:
        """It is written."""
        self._busy = None

    def release(self) -> None:
        """Give it up; harmless when it is lost."""
        if self.held:
            self.held = False
            self.lost.set()
            if self._busy is not None:
                self._busy.cancel()
            self.lease._released(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
