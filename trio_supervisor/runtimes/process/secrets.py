"""Looks up the secrets of a child: in files, in our own variables, by commands. No error ever has a value in it."""

import os
import stat
from collections.abc import Mapping

import trio

from trio_supervisor.commands import CAPTURED, CaptureCommand
from trio_supervisor.errors import ProbeError, StartError
from trio_supervisor.spec import Secret, SecretCommand, SecretEnv, SecretFile

TIMEOUT = 10.0
"""Seconds for each."""
THREADS = 8
"""At most so many files are read at a time."""
_LONGEST_REASON = 200

_limiter: "trio.lowlevel.RunVar[trio.CapacityLimiter]" = trio.lowlevel.RunVar("trio_supervisor.secrets.limiter")


async def resolve(secrets: Mapping[str, Secret], environ: Mapping[str, str], capture: CaptureCommand) -> dict[str, str]:
    """The values of all variables of a child that are secrets, as they are now.

    `environ`: the supervisor's own; `capture` runs commands.

    Raises:
        StartError: some can't be had, with the reason for each.
    """
    values: dict[str, str] = {}
    failures: dict[str, str] = {}

    async def look_up(name: str, secret: Secret) -> None:
        try:
            values[name] = _checked(await _value(secret, environ, capture))
        except StartError as error:
            failures[name] = f"secret {name}: {error}"

    async with trio.open_nursery() as nursery:
        for name, secret in secrets.items():
            nursery.start_soon(look_up, name, secret)
    if failures:
        raise StartError("; ".join(failures[name] for name in secrets if name in failures))
    return {name: values[name] for name in secrets}


async def _value(secret: Secret, environ: Mapping[str, str], capture: CaptureCommand) -> str:
    match secret:
        case SecretFile():
            return await _of_file(secret.file)
        case SecretEnv():
            value = environ.get(secret.env)
            if value is None:
                raise StartError(f"variable {secret.env} is not set in the environment of the supervisor")
            return value
        case SecretCommand():
            return await _of_command(secret.command, capture)


def _checked(value: str) -> str:
    if not value:
        raise StartError("it is empty")
    if "\0" in value:
        raise StartError("it holds a NUL byte, which the environment of a process can't")
    return value


def _text(content: bytes) -> str:
    if len(content) > CAPTURED:
        raise StartError(f"it is longer than {CAPTURED // 1024} KiB, which the environment of a process can't hold")
    return os.fsdecode(content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content)


async def _of_file(path: str) -> str:
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
    with trio.move_on_after(TIMEOUT):
        # A network file system that hangs must hold up neither this start nor the end of the supervisor.
        content = await trio.to_thread.run_sync(_read, path, abandon_on_cancel=True, limiter=limiter)
        return _text(content)
    raise StartError(f"file {path!r} could not be read within {TIMEOUT:g} s")


def _read(path: str) -> bytes:
    try:
        # Without O_NONBLOCK the opening of a FIFO waits for its writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StartError(f"{path!r} must be a regular file, which can be read at every start")
            return file.read(CAPTURED + 1)
    except FileNotFoundError as error:
        raise StartError(f"file {path!r} does not exist") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StartError(f"file {path!r} can't be read: {reason}") from error


async def _of_command(command: tuple[str, ...], capture: CaptureCommand) -> str:
    try:
        captured = await capture(command, TIMEOUT)
    except ProbeError as error:
        raise StartError(f"command {error}") from error
    if captured.code is None:
        how = f"did not end within {TIMEOUT:g} s"
    elif captured.code < 0:
        how = f"was ended by signal {-captured.code}"
    elif captured.code > 0:
        how = f"ended with exit code {captured.code}"
    else:
        return _text(captured.stdout)
    lines = captured.stderr.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_REASON]
    raise StartError(f"command {command[0]!r} {how}" + (f": {last}" if last else ""))
