"""Who gives a command: known where somebody comes in, written down where the command is carried out.

It goes with the task, and with all tasks that it starts (contextvars), so that nothing between has to hand it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from trio_supervisor.record import record


@record
class Caller:
    """Somebody who gives commands."""

    who: str
    """`uid 1000, pid 4711`, `token operate`, `signal SIGTERM`, `program`."""
    origin: str = ""
    """From where: `control.sock`, `127.0.0.1:4711`, `console`; empty: from within the same program."""
    operates: bool = True
    """Whether it may do more than observe."""

    @property
    def client(self) -> str:
        """Whose requests are counted together: a process, or an address."""
        return self.origin.rpartition(":")[0] or self.who

    def __str__(self) -> str:
        return " from ".join(filter(None, (self.who, self.origin)))


PROGRAM = Caller("program")
"""Code of the same process that says nothing else of itself."""

_caller = ContextVar("caller", default=PROGRAM)


def caller() -> Caller:
    """Who asks, in the present task."""
    return _caller.get()


@contextmanager
def called_by(somebody: Caller) -> Iterator[None]:
    """What the block does is asked for by somebody."""
    before = _caller.set(somebody)
    try:
        yield
    finally:
        _caller.reset(before)
