"""What the engine is given: who makes lives and probes, who takes output, where randomness comes from."""

from collections.abc import Awaitable, Callable

from attrs import frozen

from trio_supervisor.engine.stopping import Request
from trio_supervisor.probes.base import ProbeFactory
from trio_supervisor.runtimes.base import RuntimeFactory, Stream


def _as_it_is(text: str) -> str:
    return text


@frozen
class World:
    """Everything outside that the engine acts by."""

    runtime: RuntimeFactory
    probe: ProbeFactory
    sink: Callable[[str], Callable[[Stream, bytes], None]]
    """Gives for a child's path what takes its output; that must not raise or block."""
    room: Callable[[], Awaitable[None]]
    """Waits, within bounds, until more output can be taken without loss."""
    draw: Callable[[], float]
    """A random number in [0, 1)."""
    request: Request
    """Sends the HTTP request of a stop."""
    redact: Callable[[str], str] = _as_it_is
    """Takes the secrets out of a text that is to be stored or shown."""
