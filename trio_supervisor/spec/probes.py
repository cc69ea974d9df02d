"""The three probes of a child, with Kubernetes' meaning: when its start is over, when it is ready, when it must be
restarted.
"""

from typing import TYPE_CHECKING

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.checks import A2A, Exec, Grpc, Http, Stdio, Tcp, Unix
from trio_supervisor.spec.signs import Call, EngineHealth, File, Log, Notify
from trio_supervisor.spec.values import not_negative, positive

if TYPE_CHECKING:
    from trio_supervisor.spec.agent_checks import AgentCore, Mcp, Redis, WebSocket

    Check = (
        Http
        | A2A
        | Mcp
        | AgentCore
        | WebSocket
        | Tcp
        | Redis
        | Exec
        | Log
        | File
        | Unix
        | Notify
        | EngineHealth
        | Grpc
        | Call
        | Stdio
    )
else:
    # Those of `agent_checks` are imported by the first that needs one.
    Check = object

PUSHED = (Log, Notify)
"""Nothing is asked: the child says it when it likes. `period`, `timeout` and the like have little to say there."""


def _check(name: str, jitter: float, failures: float | None, successes: float) -> None:
    if not 0 <= jitter < 1:
        raise SpecError(f"{name}: jitter must be within 0 to 1, not {jitter}")
    for word, count in (("failures", failures), ("successes", successes)):
        if count is not None and not count >= 1:
            raise SpecError(f"{name}: {word} must be > 0, not {count}")


@frozen
class Startup:
    """Whether the start of a child is over: until it succeeds neither readiness nor health is asked."""

    check: Check
    period: float = field(default=5.0, validator=positive("startup: period"))
    timeout: float = field(default=5.0, validator=positive("startup: timeout"))
    deadline: float = field(default=60.0, validator=positive("startup: deadline"))
    """From start to success; then the start has failed."""
    failures: int | None = None
    """So many in a row, and the start has failed before its deadline; None: only the deadline counts."""
    successes: int = 1
    initial_delay: float = field(default=0.0, validator=not_negative("startup: initial_delay"))
    """From the start to the first question."""
    jitter: float = 0.1
    """Each pause is up to this part longer or shorter."""

    def __attrs_post_init__(self) -> None:
        _check("startup", self.jitter, self.failures, self.successes)


@frozen
class Readiness:
    """When a child is ready: fast at first (100 ms, x1.5 up to `period`) until the first success, then every
    `period`. It only decides whether the child is offered to others; it never restarts one that has been ready.
    """

    check: Check
    period: float = field(default=5.0, validator=positive("readiness: period"))
    timeout: float = field(default=5.0, validator=positive("readiness: timeout"))
    deadline: float = field(default=60.0, validator=positive("readiness: deadline"))
    """From start to ready; then the start has failed. Beside a startup probe that one's deadline counts instead."""
    failures: int = 3
    """So many in a row, after it was ready, make it not ready."""
    successes: int = 1
    """So many in a row make it ready, and end a row of failures."""
    initial_delay: float = field(default=0.0, validator=not_negative("readiness: initial_delay"))
    """From the start, or the success of the startup probe, to the first question."""
    jitter: float = 0.1
    """Each pause is up to this part longer or shorter."""

    def __attrs_post_init__(self) -> None:
        _check("readiness", self.jitter, self.failures, self.successes)


@frozen
class Health:
    """Whether a child must be restarted (Kubernetes' liveness); asked from the success of the startup probe on, without
    one from the first time ready on.
    """

    check: Check
    period: float = field(default=30.0, validator=positive("health: period"))
    timeout: float = field(default=5.0, validator=positive("health: timeout"))
    failures: int = 3
    successes: int = 1
    """So many in a row end a row of failures."""
    initial_delay: float | None = None
    """Until the first question; None: a period."""
    jitter: float = 0.1
    """Each pause is up to this part longer or shorter."""

    def __attrs_post_init__(self) -> None:
        _check("health", self.jitter, self.failures, self.successes)
        if self.initial_delay is not None and not self.initial_delay >= 0:
            raise SpecError(f"health: initial_delay must be >= 0, not {self.initial_delay}")


Probe = Startup | Readiness | Health
