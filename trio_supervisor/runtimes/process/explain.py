"""Which program is meant, and why it can't be started, in words for the owner of the child.

The system's error numbers do not tell cwd, program and interpreter apart.
"""

import errno
import os
from collections.abc import Mapping, Sequence

from trio_supervisor.runtimes.process import reach
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account

LONGEST_STRING = 128 * 1024
"""Of one argument or NAME=value, with its final zero byte (execve(2), MAX_ARG_STRLEN)."""

_SYSTEM_WIDE = {
    errno.EMFILE: "out of file descriptors: this supervisor may open no more (see ulimit -Hn)",
    errno.ENFILE: "out of file descriptors: the whole system has none left",
    errno.EAGAIN: "out of processes: a limit is reached (ulimit -u, or the pids limit of the cgroup)",
    errno.ENOMEM: "out of memory",
    errno.ENOSYS: "this kernel has no pidfd_open (Linux 5.3 and later have)",
}


def explain(
    error: OSError | ValueError,
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    account: Account = NOBODY_ELSE,
) -> str:
    """Say what the owner of the child, which was to run as `account`, can do something about.

    Looks at the files only now, after the failure: a spawn that works pays nothing for it.
    """
    if not isinstance(error, OSError):
        return f"command or environment can't be handed to a program: {error}"
    if error.errno in _SYSTEM_WIDE:
        return _SYSTEM_WIDE[error.errno]
    if error.errno == errno.E2BIG:
        return _too_long(command, env)
    # What modes alone say of somebody else is believed where it fits.
    who = account if error.errno == errno.EACCES else NOBODY_ELSE
    about = about_directory(cwd, who) or _about_program(error, command[0], cwd, env, account)
    return about or f"{command[0]!r}: {error.strerror}"


def find_program(program: str, cwd: str | None, env: Mapping[str, str]) -> str | None:
    """The path, as the child sees it, of the first executable with that name on its PATH.

    A name with a slash is a path. If there is only one that can't be executed, it is that; None: there is none at all.
    """
    if "/" in program:
        return program
    unfit: str | None = None
    for directory in os.get_exec_path(env):
        path = os.path.join(directory, program)
        here = _seen_from_here(path, cwd)
        if os.path.isfile(here) and os.access(here, os.X_OK):
            return path
        if unfit is None and os.path.lexists(here):
            unfit = path
    return unfit


def _too_long(command: Sequence[str], env: Mapping[str, str]) -> str:
    words = {"the command's program": command[0]}
    words |= {f"argument {n}": word for n, word in enumerate(command[1:], 1)}
    words |= {f"environment variable {name}": f"{name}={value}" for name, value in env.items()}
    sizes = {label: len(os.fsencode(word)) + 1 for label, word in words.items()}
    longest = max(sizes, key=lambda label: sizes[label])
    if sizes[longest] > LONGEST_STRING:
        return f"{longest} is too long: {_kib(sizes[longest])}, where the system takes {_kib(LONGEST_STRING)}"
    return (
        f"arguments and environment are too long: {_kib(sum(sizes.values()))} together, while the system takes a "
        f"quarter of the stack limit (ulimit -s); the longest is {longest} with {_kib(sizes[longest])}"
    )


def _kib(size_bytes: int) -> str:
    return f"{-(-size_bytes // 1024)} KiB"


def about_directory(cwd: str | None, account: Account = NOBODY_ELSE) -> str | None:
    """What is wrong with a directory, as far as this process can see."""
    if cwd is None:
        return None
    if barrier := reach.barrier(cwd, account):
        return f"cwd {cwd!r} must not be reached: {barrier}"
    if not os.path.lexists(cwd):
        return f"cwd {cwd!r} does not exist"
    if not os.path.isdir(cwd):
        return f"cwd {cwd!r} is not a directory"
    if not reach.executable(cwd, account):
        return f"cwd {cwd!r} must not be entered: permission denied"
    return None


def _about_program(
    error: OSError, program: str, cwd: str | None, env: Mapping[str, str], account: Account
) -> str | None:
    found = find_program(program, cwd, env)
    if found is None:
        return f"{program!r} not found on PATH"
    path = _seen_from_here(found, cwd)
    # First of all: what must not be reached seems not to exist.
    if error.errno == errno.EACCES and (barrier := reach.barrier(path, account)):
        return f"{program!r} must not be reached: {barrier}"
    if not os.path.lexists(path):
        where = "" if os.path.isabs(program) else f" in {os.path.abspath(cwd or os.curdir)!r}"
        return f"{program!r} does not exist{where}"
    if not os.path.exists(path):
        return f"{program!r} is a link to something that does not exist"
    if os.path.isdir(path):
        return f"{program!r} is a directory, not a program"
    if error.errno == errno.ENOEXEC:
        return f"{program!r} is not of an executable format (a script needs a first line like #!/bin/sh)"
    if error.errno == errno.EACCES and not reach.executable(path, account):
        return f"{program!r} has no execute permission (chmod +x)"
    return _about_interpreter(error, program, path, account)


def _about_interpreter(error: OSError, program: str, path: str, account: Account) -> str | None:
    interpreter = _interpreter(path)
    if interpreter is None:
        # The other thing that the system looks for on its own is the dynamic loader.
        missing = error.errno == errno.ENOENT
        return f"{program!r} can't be loaded: it is built for another system" if missing else None
    needs = f"{program!r} needs the interpreter {interpreter!r} (its first line), which"
    if error.errno == errno.EACCES and (barrier := reach.barrier(interpreter, account)):
        return f"{needs} must not be reached: {barrier}"
    if not os.path.exists(interpreter):
        return f"{needs} does not exist"
    if not reach.executable(interpreter, account) or os.path.isdir(interpreter):
        return f"{needs} can't be executed"
    return None


def _interpreter(path: str) -> str | None:
    """What the #! line of a script names."""
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return None
    words = head.split(b"\n", 1)[0][2:].split()
    return os.fsdecode(words[0]) if head.startswith(b"#!") and words else None


def _seen_from_here(path: str, cwd: str | None) -> str:
    return os.path.join(cwd or "", path)
