"""The mask: signals wait from the moment when `run` begins until somebody can act on them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait, from when nobody could act on them properly until somebody can (`signals.received`)."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
