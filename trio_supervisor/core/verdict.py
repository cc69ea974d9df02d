"""What becomes of a child whose life has ended by itself (OTP rules 13 and 14)."""

from enum import Enum

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.policy import ExitCodes, Restart
from trio_supervisor.record import record


class Fate(Enum):
    """What becomes of it."""

    RESTART = "restart"
    FINISH = "finish"
    FAIL = "fail"


@record
class Verdict:
    """The fate, and the rule behind it for people."""

    fate: Fate
    rule: str


def judge(restart: Restart, *, clean: bool) -> Verdict:
    """Judge an end that nobody asked for; `clean`: it was a good one."""
    match restart:
        case Restart.PERMANENT:
            return Verdict(Fate.RESTART, "permanent: always restarted")
        case Restart.TRANSIENT:
            if clean:
                return Verdict(Fate.FINISH, "transient: not restarted after a clean end")
            return Verdict(Fate.RESTART, "transient: restarted after a failure")
        case Restart.TEMPORARY:
            if clean:
                return Verdict(Fate.FINISH, "temporary: never restarted")
            return Verdict(Fate.FAIL, "temporary: never restarted")


class Meaning(Enum):
    """What an exit says of itself."""

    GOOD = "good"
    BAD = "bad"
    RESTART = "restart"
    """To be started again, which is no failure."""
    HOLD = "hold"
    """Not to be tried again before somebody has done something."""


def meaning(exit: Exit, codes: ExitCodes) -> Meaning:
    """Read an exit by the exit codes that have a meaning. Where another life is in vain, none is tried."""
    if not exit.again:
        return Meaning.HOLD
    if exit.how is not How.EXITED or exit.code is None:
        return Meaning.GOOD if exit.clean else Meaning.BAD
    if exit.code in codes.restart:
        return Meaning.RESTART
    if exit.code in codes.hold:
        return Meaning.HOLD
    return Meaning.GOOD if exit.code in codes.success else Meaning.BAD
