"""How lives end."""

import signal as signals
from enum import Enum

from trio_supervisor.record import record, unseen


class How(Enum):
    """How a life ended."""

    EXITED = "exited"
    """A process ended with an exit code."""
    SIGNALED = "signaled"
    """A process was ended by a signal."""
    RETURNED = "returned"
    """A function returned."""
    RAISED = "raised"
    """A function raised."""
    CANCELLED = "cancelled"
    """A function ended because it was cancelled."""
    SHUT_DOWN = "shut down"
    """A function raised `Shutdown`: a clean end, with `value` (OTP's `{shutdown, Term}`; without a value
    `shutdown`).
    """
    KILLED = "killed"
    """It was ended by force, where there is no signal that would tell so."""
    OUT_OF_MEMORY = "out of memory"
    """It was ended by force because memory ran out: its own (a limit) or the machine's; `detail` says which."""
    IGNORED = "ignored"
    """It said in its start that there is nothing to do (OTP rule 11)."""
    GAVE_UP = "gave up"
    """A supervisor stopped everything because its restart limit was reached: `shutdown` in OTP, no clean end for us
    (rule 52).
    """
    SPAWN_FAILED = "spawn failed"
    """It never ran."""
    UNKILLABLE = "unkillable"
    """It was killed, but something of it is still there; `detail` names what."""


@record
class Exit:
    """How a life ended, in full."""

    how: How
    code: int | None = None
    signal: int | None = None
    detail: str = ""
    """In words what the fields above don't tell: the exception, the reason of the failed start."""
    exception: BaseException | None = unseen(default=None)
    value: object = None
    """With SHUT_DOWN: what `Shutdown` was raised with."""
    last_lines: tuple[str, ...] = unseen(default=())
    """The last that it said, as far as that is known; not of an end that was asked for."""
    again: bool = unseen(default=True)
    """Whether another life may come to something else, before somebody has done something."""
    ours: bool = unseen(default=False)
    """Whether something of the supervisor's own was in its way, which the next life will not meet."""

    @property
    def clean(self) -> bool:
        """Whether this end is no failure: exit code 0, a return, or `Shutdown`."""
        return self.how in (How.RETURNED, How.SHUT_DOWN) or (self.how is How.EXITED and self.code == 0)

    def __str__(self) -> str:
        match self.how:
            case How.EXITED:
                ended = "ended" if self.code is None else f"exit code {self.code}"
                return f"{ended} ({self.detail})" if self.detail else ended
            case How.SIGNALED:
                name = f"signal {_signal_name(self.signal)}"
                return f"{name} ({self.detail})" if self.detail else name
            case How.RETURNED:
                return "returned"
            case How.RAISED:
                return f"raised {self.detail}"
            case How.CANCELLED:
                return self.detail or "cancelled"
            case How.SHUT_DOWN:
                return "shut down" if self.value is None else f"shut down: {self.value}"
            case How.KILLED:
                return f"killed: {self.detail}" if self.detail else "killed"
            case How.OUT_OF_MEMORY:
                return f"out of memory: {self.detail}"
            case How.IGNORED:
                return "its start was ignored"
            case How.GAVE_UP:
                return f"gave up: {self.detail}"
            case How.SPAWN_FAILED:
                return f"cannot be started: {self.detail}"
            case How.UNKILLABLE:
                return f"cannot be killed: {self.detail}"


def _signal_name(number: int | None) -> str:
    try:
        return signals.Signals(number or 0).name
    except ValueError:
        return str(number)
