"""The command `up`: has a file run in the background, unless it does already, and waits until all are ready."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.detach import Ended, be_interruptible, start
from trio_supervisor.cli.wording import standing
from trio_supervisor.control.api import Desired, Gap, Snapshot, State
from trio_supervisor.control.client import Client
from trio_supervisor.errors import NoSupervisorError, UnknownAgentError
from trio_supervisor.state.directory import control_socket, find
from trio_supervisor.state.lock import Holder, holder_of

PATIENCE = 10.0
"""So many seconds a supervisor that somebody else has just started has to answer."""
_PAUSE = 0.05
_WELL = frozenset({State.READY, State.FINISHED})
_LOST = frozenset({State.FAILED, State.HELD})


class _TooLateError(Exception):
    """The time is over."""


def up(options: argparse.Namespace, run: Callable[[], int]) -> int:
    """Have it up; with `--wait` the exit code says whether all are ready."""
    begun = time.monotonic()
    be_interruptible()
    file = os.path.realpath(options.file)
    found = _running(file, options) or _start(file, options, run)
    if isinstance(found, Ended):
        return found.code
    client, holder = found
    sys.stdout.write(f"pid     {holder.pid}\nsocket  {client.place}\n")
    sys.stdout.flush()
    if not options.wait:
        return exit_codes.DONE
    left = None if options.timeout is None else options.timeout - (time.monotonic() - begun)
    # From here on Ctrl-C ends the waiting, and nothing else.
    be_interruptible()
    return _wait(client, options, left, holder)


def _running(file: str, options: argparse.Namespace) -> tuple[Client, Holder] | None:
    """The supervisor that runs this file already, once it answers; None: there is none."""
    directory = find(file, options.state_dir, os.environ)
    path = control_socket(directory, os.environ)
    until = time.monotonic() + PATIENCE
    while path is not None and (holder := holder_of(directory)) is not None and holder.file == file:
        try:
            Client(path).snapshot()
        except NoSupervisorError:
            # It is about to start, or to end: in the second case the place is free in a moment.
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
        else:
            return Client(path), holder
    return None


def _start(file: str, options: argparse.Namespace, run: Callable[[], int]) -> "tuple[Client, Holder] | Ended":
    found = start(options, run)
    if isinstance(found, Ended):
        # Two at the same time: one of them has come first, and both have what they want.
        other = _running(file, options) if found.code == exit_codes.NO_SUPERVISOR else None
        return other or found
    return Client(found.socket), Holder(found.pid, 0, "", file)


# Waiting


def _wait(client: Client, options: argparse.Namespace, seconds: float | None, holder: Holder) -> int:
    states: Mapping[str, Snapshot] = {}
    names = tuple(options.agents)
    try:
        _set_alarm(seconds)
        for states in _states(client, names):
            if lost := [one for one in states.values() if one.state in _LOST]:
                return _say_no(lost)
            if all(one.state in _WELL for one in states.values()):
                sys.stdout.write(f"ready   {', '.join(states)}\n")
                return exit_codes.DONE
    except _TooLateError:
        return _say_no([one for one in states.values() if one.state not in _WELL], f" after {options.timeout:g} s")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return _of_the_end(holder)


def _say_no(agents: list[Snapshot], when: str = "") -> int:
    for one in agents:
        sys.stderr.write(f"{one.agent} is not ready{when}: {standing(one)}\n")
    if not agents:
        sys.stderr.write(f"the supervisor has not answered{when}\n")
    return exit_codes.GAVE_UP


def _of_the_end(holder: Holder) -> int:
    """It has ended meanwhile: what became of it, if it is a child of ours."""
    try:
        _, status = os.waitpid(holder.pid, 0)
    except ChildProcessError:
        raise NoSupervisorError("the supervisor has ended") from None
    code = os.waitstatus_to_exitcode(status)
    if code:
        sys.stderr.write(f"the supervisor has ended with exit code {code}\n")
    return code if code >= 0 else 128 - code


def _states(client: Client, names: tuple[str, ...]) -> Iterator[Mapping[str, Snapshot]]:
    """Those that shall be up, now and after each change, until the supervisor ends."""
    try:
        with client.events() as events:
            yield _wanted(client.snapshot(), names)
            for event in events:
                if isinstance(event, Gap) or event.change.new in _WELL | _LOST | {State.STOPPED, State.REMOVED}:
                    # All of them, as they are: one is not what it was when the event came.
                    yield _wanted(client.snapshot(), names)
    except NoSupervisorError:
        return


def _wanted(agents: tuple[Snapshot, ...], names: tuple[str, ...]) -> Mapping[str, Snapshot]:
    for name in names:
        if all(not _is_in(one.agent, name) for one in agents):
            raise UnknownAgentError(f"there is no agent {name!r}")
    chosen = [one for one in agents if not names or any(_is_in(one.agent, name) for name in names)]
    return {one.agent: one for one in chosen if one.desired is Desired.UP or one.state is State.HELD}


def _is_in(agent: str, name: str) -> bool:
    return agent == name or agent.startswith(f"{name}/")


def _set_alarm(seconds: float | None) -> None:
    if seconds is not None:
        signal.signal(signal.SIGALRM, _late)
        # 0 would mean never.
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))


def _late(_number: int, _frame: object) -> None:
    raise _TooLateError
