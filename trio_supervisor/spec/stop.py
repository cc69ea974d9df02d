"""How a child is stopped: steps that are taken in order, each with its wait, until nothing of the child is left.

After the last one the whole tree is killed, always. Times are seconds, `math.inf` is without limit.
"""

from enum import Enum
from signal import Signals

from attrs import field, frozen

from trio_supervisor.errors import SpecError
from trio_supervisor.spec.checks import check_method, check_url
from trio_supervisor.spec.values import not_negative


class SignalTo(Enum):
    """Who gets a signal."""

    GROUP = "group"
    """The leader's process group: it and all that has not left."""
    LEADER = "leader"


@frozen
class SignalStep:
    """Send a signal, then wait; a task is cancelled instead."""

    signal: Signals = Signals.SIGTERM
    wait: float = field(default=10.0, validator=not_negative("stop: grace"))
    to: SignalTo = SignalTo.GROUP


@frozen
class CloseStdinStep:
    """Close the child's standard input, then wait; needs `stdin: pipe` or `pty`, where it is ^D."""

    close_stdin: bool = True
    wait: float = field(default=10.0, validator=not_negative("stop: wait"))

    def __attrs_post_init__(self) -> None:
        if not self.close_stdin:
            raise SpecError("stop: close_stdin must be true; leave the step out otherwise")


@frozen
class SendStep:
    """Write text to the child's standard input, then wait; needs `stdin: pipe` or `pty`."""

    send: str
    wait: float = field(default=10.0, validator=not_negative("stop: wait"))

    def __attrs_post_init__(self) -> None:
        if not self.send:
            raise SpecError("stop: send must hold some text")


@frozen
class CommandStep:
    """Run a command in the child's directory and environment; its own time is part of the wait."""

    command: tuple[str, ...]
    wait: float = field(default=10.0, validator=not_negative("stop: wait"))

    def __attrs_post_init__(self) -> None:
        if not self.command or not self.command[0]:
            raise SpecError("stop: command must name a program")


@frozen
class HttpStep:
    """Send an HTTP request to the child's port, or to a whole URL; its own time is part of the wait."""

    http: str
    method: str = "POST"
    wait: float = field(default=10.0, validator=not_negative("stop: wait"))

    def __attrs_post_init__(self) -> None:
        check_url(self.http, "stop: http")
        check_method(self.method, "stop: http")


AskStep = SignalStep | CloseStdinStep | SendStep
"""What a life itself can be asked."""
StopStep = AskStep | CommandStep | HttpStep
