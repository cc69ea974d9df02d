"""Launches a guardian: the supervisor's side, before or without Trio."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

from trio_supervisor.system import wire

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


class Launched:
    """A guardian that was launched: its process, its pidfd, and our end of the socket."""

    def __init__(self, pid: int, pidfd: int, link: socket.socket) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.link = link


class Guard:
    """What a supervisor wants of its guardian. Not to be changed."""

    def __init__(
        self,
        tell: Callable[[str], None],
        launched: Launched | None = None,
        *,
        lease: str | None = None,
        heir: bool = False,
        not_killed: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell` takes in what a person should know of it; `not_killed` is called when something could not be killed
        in the end, which is told, too. `launched`: one that runs already; None: one is launched at
        the first birth. `lease`: the file in which it says who lives. `heir`: should it be killed, its orphans come to
        this process, which is nothing but a supervisor and on its main thread.
        """
        self.tell = tell
        self.launched = launched
        self.lease = lease
        self.heir = heir
        self.not_killed = not_killed


def command(*words: str) -> list[str]:
    """The command that runs `guardian/__main__.py`. Raises OSError where this program has no Python interpreter."""
    if not sys.executable:
        raise OSError("there is no Python interpreter to run it")
    return [sys.executable, "-I", "-S", PROGRAM, *words]


def launch() -> Launched:
    """Launch a guardian of this process; it needs no answer before it is given work. Raises OSError."""
    if sys.platform != "linux":
        raise OSError("it needs Linux")
    ours, theirs = wire.pair()
    try:
        with theirs:
            process = subprocess.Popen(
                command("guardian", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        launched = Launched(process.pid, os.pidfd_open(process.pid), ours)
    except BaseException:
        ours.close()
        raise
    # We reap it ourselves, and Popen is not to warn about it.
    process.returncode = 0
    return launched
