"""`run --detach`: the supervisor as a process in a session of its own, and the two sides of waiting until it is up.

The caller forks before anything else is loaded. The other process is a `run` like any other, whose words go into a
file; it tells by a pipe when it is up. Until then its standard error is still the caller's, so that what is wrong with
a start is read where it was asked for. If it ends before, its exit code is the caller's.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from trio_supervisor.cli.mask import HANDLED, hold_back
from trio_supervisor.control.client import Client
from trio_supervisor.errors import ConfigError, NoSupervisorError
from trio_supervisor.record import record
from trio_supervisor.state.directory import control_socket

LOG = "supervisor.log"
"""Its name in the state directory."""
LAST_MOMENTS = 10.0
"""So many seconds one that answers no more has to end."""
_PAUSE = 0.02
_REPORT = 3


@record
class Up:
    """A supervisor that is up."""

    pid: int
    socket: str
    log: str


@record
class Ended:
    """One that has ended before it was up."""

    code: int


# The side of the supervisor


class Upstart:
    """A supervisor that somebody waits for until it is up."""

    def __init__(self, options: argparse.Namespace, directory: Path | None) -> None:
        """`options.log_file` is made the file where its words go. Raises ConfigError: it can't be detached."""
        socket = None if directory is None else control_socket(directory, os.environ)
        if directory is None or socket is None:
            raise ConfigError("run --detach needs a state directory with a control socket: see --state-dir")
        options.log_file = os.path.abspath(options.log_file or directory / LOG)
        self._socket = socket
        self._log: str = options.log_file
        self._report: int = options.report
        self.up = False
        """Whether the caller was told that it is."""

    def warn(self, text: str) -> None:
        """Tell the caller, who sees nothing else of what is said."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def log_opened(self, fd: int) -> None:
        """The log file is another one from here on: what nobody has foreseen goes there too."""
        if self.up:
            os.dup2(fd, 2)

    def tell(self) -> None:
        """It is up, if there is a socket: let the caller go."""
        if not self._socket.is_socket():
            self.warn(f"there is no control socket at {self._socket}, so nobody could command what is detached")
            return
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        fd = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.dup2(fd, 2)
        os.close(fd)
        self.up = True
        # Whoever was killed in the meantime needs no answer.
        with suppress(OSError):
            os.write(self._report, json.dumps([os.getpid(), os.fspath(self._socket), self._log]).encode())
        os.close(self._report)


# The side of the caller


def start(options: argparse.Namespace, run: Callable[[], int]) -> Up | Ended:
    """Have `run` called in a process of its own, and wait until it is up. Ctrl-C in between leaves nothing of it; once
    it is up, signals are held back.
    """
    told, tells = os.pipe()
    # A run has them held back from its first moment on.
    hold_back()
    pid = os.fork()
    if pid == 0:
        _become(options, tells, run)
    os.close(tells)
    try:
        be_interruptible()
        with open(told, "rb") as report:
            words = report.read()
        # Whoever is told of it now gets to know it.
        hold_back()
    except KeyboardInterrupt:
        # Not again: it ends within its stop deadline.
        hold_back()
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    if words:
        return Up(*json.loads(words))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        sys.stderr.write(f"the supervisor was ended by {signal.Signals(-code).name} in its start\n")
    return Ended(code if code >= 0 else 128 - code)


def be_interruptible() -> None:
    """From here on Ctrl-C, and what else ends a program, is KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _become(options: argparse.Namespace, tells: int, run: Callable[[], int]) -> NoReturn:
    """Be the supervisor: a session of its own, nothing of the caller's but its standard error for now."""
    code = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        # Above all others first, as it may be that number itself.
        report = os.dup2(os.dup(tells), _REPORT, inheritable=False)
        # As many as there are, not as there might be.
        for fd in map(int, os.listdir("/dev/fd")):
            if fd > _REPORT:
                with suppress(OSError):
                    os.close(fd)
        options.command, options.detach, options.report = "run", False, report
        code = run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: ASYNC103 -- the process ends with it
        import traceback  # noqa: PLC0415 -- nobody has foreseen it

        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def ended(up: Up) -> int | None:
    """The exit code of one that has been up and has ended since; None: it answers."""
    try:
        Client(up.socket).snapshot()
    except NoSupervisorError:
        until = time.monotonic() + LAST_MOMENTS
        while time.monotonic() < until:
            pid, status = os.waitpid(up.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(_PAUSE)
        # Nobody could command it.
        os.kill(up.pid, signal.SIGTERM)
        os.waitpid(up.pid, 0)
        raise
    return None


def detach(options: argparse.Namespace, run: Callable[[], int]) -> int:
    """Start it detached, and say where it is; returns the exit code."""
    found = start(options, run)
    if isinstance(found, Ended):
        return found.code
    if (code := ended(found)) is not None:
        return code
    sys.stdout.write(f"pid     {found.pid}\nsocket  {found.socket}\nlog     {found.log}\n")
    return 0
