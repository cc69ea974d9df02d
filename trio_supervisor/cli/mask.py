"""The mask: signals wait from the moment when `run` begins, except while somebody can act on them.

Imported before anything else, and imports next to nothing: until then Ctrl-C would end in a traceback.
"""

import signal

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def hold_back() -> None:
    """Let signals wait, until `signals.received` lets them through, and again afterwards, to the end of the program."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
