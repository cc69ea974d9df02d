"""What a child must not inherit: ignored and blocked signals, our raised limit of descriptors.

Everything here works without `preexec_fn`, which would make each spawn a fork of the whole supervisor.
"""

import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from signal import Signals
from types import FrameType

MOST_DESCRIPTORS = 1 << 20

# PIPE and XFSZ are missing: Python ignores them itself, and `restore_signals` of Popen cares for them. So is CHLD: see
# `receive_exit_status`.
_MAY_BE_IGNORED = tuple(
    Signals[f"SIG{name}"]
    for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "TSTP", "TTIN", "TTOU", "CONT", "WINCH")
)

_limit_of_children: tuple[int, int] | None = None
"""(soft, hard) number of descriptors, as it was before we raised ours; None as long as we have not."""


@contextmanager
def default_signals() -> Iterator[None]:
    """What is spawned inside starts with all signals unblocked and at their defaults.

    A handler is reset by exec, SIG_IGN is inherited: so what is ignored gets a handler that does nothing, for the time
    of the spawn. Elsewhere than on the main thread Python can't change handlers, and ignored signals stay ignored.
    """
    ignored = _ignored_signals() if threading.current_thread() is threading.main_thread() else []
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for number in ignored:
        signal.signal(number, _do_nothing)
    if blocked:
        # Unblocking a pending one would deliver it to us.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked - signal.sigpending())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def receive_exit_status() -> None:
    """Make sure that exit statuses come to us: while SIGCHLD is ignored (inherited so), the kernel throws them away."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def make_room_for_descriptors(highest: int) -> None:
    """Raise our soft limit to the hard one when `highest`, a descriptor just opened, comes near it.

    Only then, because a program that embeds us may rely on its limit. Where the limit of the children can't be kept
    apart (no prlimit), it stays as it is.
    """
    global _limit_of_children
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if sys.platform != "linux" or soft == resource.RLIM_INFINITY or highest < soft * 3 // 4 or soft >= most:
        return
    if _limit_of_children is None:
        _limit_of_children = (soft, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def restore_descriptor_limit(pid: int) -> None:
    """Give a child that was just spawned the limit that we had at first.

    It comes some microseconds after the exec, so what asks for its limit at once may still see the higher one. To be
    exact would need `preexec_fn`, or a program in between.
    """
    if sys.platform == "linux" and _limit_of_children is not None:
        with suppress(OSError):  # already gone, or it runs as another user
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _limit_of_children)


def _ignored_signals() -> list[Signals]:
    return [number for number in _MAY_BE_IGNORED if signal.getsignal(number) is signal.SIG_IGN]


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Stand in for SIG_IGN."""
