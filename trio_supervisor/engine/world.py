"""What the engine is given: who makes lives and probes, who takes output, where randomness comes from."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from trio_supervisor.core.facts import Restored
from trio_supervisor.engine.spendings import Plain
from trio_supervisor.engine.stopping import Request
from trio_supervisor.output.ring import Ring
from trio_supervisor.probes.base import ProbeFactory
from trio_supervisor.record import record
from trio_supervisor.runtimes.base import RuntimeFactory, Stream, a_little_at_once
from trio_supervisor.spec import LogFile, RingLimits

if TYPE_CHECKING:
    from trio_supervisor.engine.delivery import Outbound


def _as_it_is(text: str) -> str:
    return text


def _always() -> bool:
    return True


class FindRing(Protocol):
    """Gives for a child's path what it has said lately, also for a while after it was removed."""

    def __call__(self, child: str, *, there: bool = False) -> Ring | None:
        """`there`: it is not removed, so there is one."""


def _without_ring(child: str, *, there: bool = False) -> Ring | None:  # noqa: ARG001 -- a `FindRing`
    return None


def _a_little(child: str, stream: Stream) -> int:  # noqa: ARG001 -- see `World.at_once`
    return a_little_at_once()


def _forget_nothing(_path: str) -> None:
    """Nothing was kept."""


def _nothing_lost(_path: str) -> int:
    return 0


def _restore_nothing(_path: str) -> None:
    """Nothing is known of an earlier run."""


def _remember_nothing(_owner: str, _name: str, _value: Plain) -> None:
    """Nobody keeps anything."""


def _recall_nothing(_owner: str, _name: str) -> Plain:
    """Nobody has kept anything."""


def _nobody_named(_path: str) -> bool:
    return False


@record
class World:
    """Everything outside that the engine acts by."""

    runtime: RuntimeFactory
    probe: ProbeFactory
    sink: Callable[[str, int, tuple[LogFile, ...], RingLimits | None], Callable[[Stream, bytes], None]]
    """Gives for a child's path, its generation, its log files and the limits of its ring what takes its output; that
    must not raise or block.
    """
    room: Callable[[], Awaitable[None]]
    """Waits, within bounds, until more output can be taken without loss."""
    draw: Callable[[], float]
    """A random number in [0, 1)."""
    request: Request
    """Sends the HTTP request of a stop."""
    redact: Callable[[str], str] = _as_it_is
    """Takes the secrets out of a text that is to be stored or shown."""
    ring: FindRing = _without_ring
    """What a child has said lately."""
    forget: Callable[[str], None] = _forget_nothing
    """Called with the path of a child that is removed."""
    at_once: Callable[[str, Stream], int] = _a_little
    """How many bytes of a child's stream are taken at once, at the most."""
    lost: Callable[[str], int] = _nothing_lost
    """How many bytes of what a child has said could not be written to its log files."""
    restored: Callable[[str], Restored | None] = _restore_nothing
    """What an earlier run has left for the child of a path; it is told only once."""
    outbound: "Callable[[], Outbound] | None" = None
    """Gives the ways out, for hooks."""
    remember: Callable[[str, str, Plain], None] = _remember_nothing
    """Keeps a value for the next run, by its owner and name."""
    recall: Callable[[str, str], Plain] = _recall_nothing
    """What was kept by an earlier run."""
    named: Callable[[str], bool] = _nobody_named
    """Whether somebody wants the child of a path to run, whatever an earlier run has left."""
    has_secrets: Callable[[], bool] = _always
    """Whether there is anything for `redact` to take out."""
