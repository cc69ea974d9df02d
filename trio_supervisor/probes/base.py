"""How a child is asked, as the engine sees it: one verb, an async function that gives an `Answer`.

A probe answers one question; who counts the answers is the core. It has no timeout of its own (the prober cancels it)
and never raises for a child that does not answer: that is an answer too.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from trio_supervisor.commands import RunCommand
from trio_supervisor.core.facts import Role
from trio_supervisor.record import record, unseen
from trio_supervisor.spec import Address, Check
from trio_supervisor.telling import Telling

if TYPE_CHECKING:
    from trio_supervisor.questions import Questions


@record
class Answer:
    """What came of asking once."""

    ok: bool
    detail: str
    """For people: why it failed, or what was seen ("200 OK in 3 ms"). Never longer than a line."""
    decisive: bool = False
    """It alone decides, whatever the thresholds are."""
    peer: int | None = None
    """The process that has answered, where that can be seen; it must be of the child, or the answer does not count."""
    late: float = unseen(default=0.0)
    """So many seconds too late it was seen, where the probe measures that itself: what comes after takes its time."""
    busy: bool | None = None
    """Whether the child says that it is busy; None where it says nothing of that."""
    card: object = None
    """How it describes itself (an A2A agent card, as JSON), where that was new."""


@record
class Target:
    """Whom to ask."""

    child: str
    port: int | None
    run: RunCommand | None
    """None where a child has no directory and environment of its own."""
    role: Role = Role.HEALTH
    """What the answers are for."""
    period: float = 30.0
    """Seconds between two questions."""
    telling: Telling | None = None
    """What this life says and tells by itself; None: nobody keeps that."""
    address: Address | None = None
    """Where a child is that lives elsewhere."""
    engine: Callable[[], Awaitable[tuple[str, str]]] | None = None
    """How a container's engine says it is (starting, healthy, unhealthy; empty: nothing), and what was seen.

    Raises ProbeError.
    """
    questions: "Questions | None" = None
    """Puts questions over its standard input; None: there is none that is ours."""


def _never() -> bool:
    return False


@record
class OpenProbe:
    """A probe that is ready to be asked."""

    ask: Callable[[], Awaitable[Answer]]
    """May raise ProbeError when the question itself can't be put."""
    port: int | None = None
    """On this machine; who listens on it must be the child, or an answer does not count. None: no check."""
    waits: bool = False
    """To ask is to wait until the child says something by itself: without timeout, and again at once."""
    heavy: bool = False
    """To ask costs as much as to start a process."""
    last: Callable[[], Answer] | None = None
    """With `waits`: what is known now. It waits for nothing, and takes nothing from who does."""
    excused: Callable[[], bool] = _never
    """Whether an answer that failed just now is none, as it could not be asked as it should."""


ProbeFactory = Callable[[Check, Target, float], AbstractAsyncContextManager[OpenProbe]]
"""Opens a probe for (check, target, timeout in seconds); leaving the context frees what it holds.

Entering raises ProbeError when the question can never be put. A cancelled question costs the next one nothing.
"""
