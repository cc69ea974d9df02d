"""Signals: what the operating system and people ask of a running supervisor."""

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import trio

from trio_supervisor.cli.mask import HANDLED, hold_back
from trio_supervisor.cli.tasks import task_tree
from trio_supervisor.control.api import Control


@contextmanager
def received() -> Iterator[AsyncIterator[int]]:
    """Receive signals from here on, those that were held back first. Before any child is started: children inherit the
    mask.
    """
    # Who starts a program with SIGHUP ignored (nohup) wants it to survive the terminal; Trio's receiver would override
    # that.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in HANDLED if not (ignored and number is signal.SIGHUP)]
    for number in numbers:
        # What the receiver puts back at its end; to ignore them would throw away those that were held back.
        signal.signal(number, _do_nothing)
    try:
        with trio.open_signal_receiver(*numbers) as signals:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            yield signals
    finally:
        # Everything is down: whoever presses Ctrl-C once more must not turn success into death by signal. Threads that
        # still idle have a mask of their own, so to hold signals back is not enough.
        hold_back()
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Neither end the program nor raise."""


async def act_on(
    signals: AsyncIterator[int],
    control: Control,
    asked: Callable[[], None],
    reopen: Callable[[], None],
    record: Callable[[str, str], Awaitable[None]],
) -> None:
    """Act on signals until cancelled: the first stop is graceful, each later one cuts every grace; `asked` is called at
    each. `reopen` is called when log files were moved away. `record` writes down, before anything is done, what was
    asked for (shutdown, hurry) and by which signal.
    """
    stops = 0
    async for number in signals:
        match signal.Signals(number):
            case signal.SIGUSR1:
                reopen()
            case signal.SIGUSR2:
                _dump()
            case stop:
                stops += 1
                asked()
                await record("shutdown" if stops == 1 else "hurry", stop.name)
                (control.end if stops == 1 else control.hurry)(stop.name)


def _dump() -> None:
    try:
        sys.stderr.write(task_tree())
        sys.stderr.flush()
    except (OSError, ValueError):
        # The terminal is gone; that is no reason to do anything else differently.
        return
