"""The birth of a life's process: its plan, its descriptors, and what to say when it fails."""

import errno
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import trio

from trio_supervisor.errors import StartError
from trio_supervisor.record import changed, record
from trio_supervisor.runtimes.process.account import NOBODY_ELSE, Account
from trio_supervisor.runtimes.process.census import census, in_thread
from trio_supervisor.runtimes.process.explain import about_directory, explain
from trio_supervisor.runtimes.process.inheritance import make_room_for_descriptors
from trio_supervisor.runtimes.process.input import HeldEnd, InputPipe
from trio_supervisor.runtimes.process.pipe import CHUNK
from trio_supervisor.runtimes.process.spawner import Birth, BirthError, Order, Spawner
from trio_supervisor.runtimes.reactor import current_reactor
from trio_supervisor.spec import RLIMITS, Window
from trio_supervisor.system.birth import Plan
from trio_supervisor.system.cgroup import Cgroup
from trio_supervisor.system.kill import signal_exactly
from trio_supervisor.system.lineage import carriers
from trio_supervisor.system.procfs import Process

numbers = count(1)
"""Of all births of this process, whatever is born: who is left of one is known by its number (`system.lineage`), so a
command must never have that of a life.
"""

_LOST_PATIENCE = 5.0
"""So long (seconds) what was perhaps born is looked for."""
_BETWEEN_LOOKS = 0.005


@record
class Newborn:
    """A birth that is under way, and our ends of its pipes, which belong to whoever gets this."""

    birth: Birth
    spawner: Spawner
    cgroup: Cgroup | None
    """What it is born in; whoever made that removes it."""
    stdin: int | None
    """The end to write to, non-blocking; None: it reads the null device."""
    stdout: int
    """The end to read from, non-blocking."""
    stderr: int
    """The same; equal to `stdout` when both go into one pipe, or to a terminal."""
    held: HeldEnd | None = None
    """The child's end of its terminal, if it has one."""

    def input(self) -> InputPipe | None:
        """What is written to, if anything; it takes over the descriptors for that."""
        if self.stdin is None:
            return None
        if self.held is None:
            return InputPipe(self.stdin)
        from trio_supervisor.runtimes.process.terminal import TerminalInput  # noqa: PLC0415 -- most lives have none

        return TerminalInput(self.stdin, self.held)

    def close(self) -> None:
        """Close our ends, of a birth that has failed."""
        for end in {self.stdin, self.stdout, self.stderr} - {None}:
            assert end is not None
            os.close(end)
        if self.held is not None:
            self.held.close()

    def has_nobody(self) -> bool:
        """Whether nobody holds the other end of the output; what was said is thrown away."""
        if self.held is not None:
            self.held.close()
        try:
            while os.read(self.stdout, CHUNK):
                pass
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # that of a terminal
                raise
        return True


@trio.lowlevel.enable_ki_protection
def begin(
    spawner: Spawner,
    child: str,
    generation: int,
    plan: Plan,
    *,
    stdin: bool = False,
    window: Window | None = None,
    one_pipe: bool = False,
    sockets: Sequence[int] = (),
    cgroup: Cgroup | None = None,
) -> Newborn:
    """Begin the birth of a process with pipes, or with a terminal of the size `window`.

    `sockets` become its descriptors 3, 4, ... and stay the caller's.

    Raises:
        OSError: there are no descriptors left.
        StartError: this system can't do it.
    """
    if sys.platform != "linux":
        raise StartError("processes can only be supervised on Linux, so far")
    current_reactor()  # whoever gets the process will need one, and must not fail for want of it then
    if window is not None:
        order = Order(child, generation, plan, tuple(sockets), _tree_of(cgroup))
        return _begin_in_terminal(spawner, order, cgroup, window)
    ours: list[int] = []
    theirs: list[int] = []
    try:
        stdout = _pipe(ours, theirs)
        stderr = stdout if one_pipe else _pipe(ours, theirs)
        their_output = theirs[0], theirs[-1]
        our_stdin = _input(ours, theirs, pipe=stdin)
        make_room_for_descriptors(theirs[-1])
        fds = (theirs[-1], *their_output, *sockets)
        birth = spawner.begin(Order(child, generation, plan, fds, _tree_of(cgroup)))
    except BaseException:
        _close_all(ours)
        raise
    finally:
        _close_all(theirs)
    return Newborn(birth, spawner, cgroup, our_stdin, stdout, stderr)


def _begin_in_terminal(spawner: Spawner, order: Order, cgroup: Cgroup | None, window: Window) -> Newborn:
    from trio_supervisor.runtimes.process.terminal import open_terminal  # noqa: PLC0415 -- most births need none

    opened = [*open_terminal(window)]
    ours, theirs = opened
    try:
        opened.append(os.dup(ours))
        make_room_for_descriptors(opened[-1])
        birth = spawner.begin(changed(order, fds=(theirs, theirs, theirs, *order.fds)))
    except BaseException:
        _close_all(opened)
        raise
    return Newborn(birth, spawner, cgroup, opened[-1], ours, ours, HeldEnd(theirs))


def _tree_of(cgroup: Cgroup | None) -> str | None:
    return None if cgroup is None else cgroup.tree


def _pipe(ours: list[int], theirs: list[int]) -> int:
    end, other = os.pipe()
    ours.append(end)
    theirs.append(other)
    os.set_blocking(end, False)
    return end


def _input(ours: list[int], theirs: list[int], *, pipe: bool) -> int | None:
    if not pipe:
        theirs.append(os.open(os.devnull, os.O_RDWR))
        return None
    other, end = os.pipe()
    ours.append(end)
    theirs.append(other)
    os.set_blocking(end, False)
    return end


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def start_error(
    error: BirthError | OSError,
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str],
    account: Account = NOBODY_ELSE,
) -> StartError:
    """Why a process was not born that was to run as `account`, for the owner of the child."""
    number, words = (error.errno or 0, str(error)) if isinstance(error, OSError) else (error.number, str(error))
    step = error.step if isinstance(error, BirthError) else "exec"
    match step:
        case "rlimits":
            return StartError(_about_rlimit(words, number))
        case "user" | "nice" | "oom_score_adj" | "cgroup":
            return StartError(f"{step} can't be set: {os.strerror(number) if number else words}")
        case "guardian":
            return StartError(words)
        case "cwd":
            who = account if number == errno.EACCES else NOBODY_ELSE
            return StartError(about_directory(cwd, who) or f"cwd {cwd!r} must not be entered: {os.strerror(number)}")
        case _:
            cause = OSError(number, os.strerror(number)) if number else ValueError(words)
            return StartError(explain(cause, command, cwd, env, account))


def _about_rlimit(words: str, number: int) -> str:
    which = next((name for name, value in RLIMITS.items() if words.endswith(f"] {value}")), "?")
    hard = resource.getrlimit(RLIMITS[which])[1] if which in RLIMITS else 0
    ours = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    return f"limits: rlimits: {which} can't be set: {os.strerror(number)} (the supervisor's own hard limit is {ours})"


async def kill_lost(marker: str, has_nobody: Callable[[], bool]) -> None:
    """Kill what was perhaps born under a guardian that has ended.

    A program that is loaded has the marker. One that is not yet holds the other end of the output, as all do that
    descend from it and have not closed it: `has_nobody` tells when nobody holds it.
    """
    until = trio.current_time() + _LOST_PATIENCE
    while trio.current_time() < until:
        surely_over = has_nobody()
        lost = await _carriers(marker)
        for each in lost or ():
            signal_exactly(each)
        if surely_over and lost == []:
            return
        await trio.sleep(_BETWEEN_LOOKS)


async def _carriers(marker: str) -> list[Process] | None:
    """None: there was no descriptor to look with."""
    try:
        return [one for one in await in_thread(carriers, await census(), marker) if one.alive]
    except OSError:
        return None
