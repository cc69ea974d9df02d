"""The command `wait`: until an agent is ready, or down."""

import argparse
import signal
import sys
from collections.abc import Iterator

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.wording import standing
from trio_supervisor.control.api import Gap, Snapshot, State
from trio_supervisor.control.client import Client, as_json
from trio_supervisor.errors import ConflictError, NoSupervisorError


class _TooLate(Exception):  # noqa: N818 -- no error
    """The time is over."""


def wait(options: argparse.Namespace, client: Client) -> int:
    """Wait. Raises ConflictError if it will not be, as far as can be told, or not in time."""
    last: Snapshot | None = None
    try:
        _set_alarm(options.timeout)
        for last in _states(client, options.agent):
            if _is_so(last.state, options.until):
                return _tell(last, options)
            if options.until == "ready" and (last.state.resting or last.state is State.REMOVED):
                raise ConflictError(f"{options.agent} is {standing(last)}")
    except _TooLate:
        how = "" if last is None else f"; it is {standing(last)}"
        raise ConflictError(f"{options.agent} is not {options.until} after {options.timeout:g} s{how}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if options.until == "stopped":
        return exit_codes.DONE
    raise NoSupervisorError("the supervisor has ended")


def _set_alarm(seconds: float | None) -> None:
    if seconds is not None:
        signal.signal(signal.SIGALRM, _late)
        # 0 would mean never.
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))


def _late(_number: int, _frame: object) -> None:
    raise _TooLate


def _is_so(state: State, until: str) -> bool:
    if until == "ready":
        return state is State.READY
    return state.resting or state is State.REMOVED


def _states(client: Client, agent: str) -> Iterator[Snapshot]:
    """How it is, now and after each change, until the supervisor ends. Raises UnknownAgentError."""
    with client.events() as events:
        # Asked after the stream has begun: what changes from here on comes through it.
        one = client.agent(agent)
        yield one
        for event in events:
            if isinstance(event, Gap):
                yield client.agent(agent)
            elif event.change.child == agent:
                yield _after(one, event.change.new, event.change.reason)


def _after(one: Snapshot, state: State, reason: str) -> Snapshot:
    from trio_supervisor.record import changed  # noqa: PLC0415

    return changed(one, state=state, reason=reason, status="")


def _tell(one: Snapshot, options: argparse.Namespace) -> int:
    sys.stdout.write(f"{as_json(one)}\n" if options.json else f"{one.agent}: {one.state.value}\n")
    return exit_codes.DONE
