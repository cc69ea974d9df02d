"""Asking something of one child, and waiting until it is done: what handles and commands both do."""

from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import Reply
from trio_supervisor.core.exits import How
from trio_supervisor.core.facts import (
    AskFact,
    HoldAsked,
    RemoveAsked,
    ResetAsked,
    RestartAsked,
    ResumeAsked,
    StartAsked,
)
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import CallError, ChildStartError, ConflictError, NotKilledError

UP = frozenset({State.RUNNING, State.READY, State.UNHEALTHY})


async def start(engine: Supervisor, child: Child, reason: str = "started by hand") -> None:
    """Have it up; harmless if it is. Raises ChildStartError if it comes to rest instead."""
    # What was asked before and is not taken in yet may put it down.
    if child.state not in UP or engine.has_waiting:
        await _ask_for_start(engine, child, StartAsked(child.id, reason), anew=False)


async def restart(engine: Supervisor, child: Child, reason: str = "restarted by hand") -> None:
    """Begin a new life, whatever it does now; returns when it is started. Raises ChildStartError."""
    await _ask_for_start(engine, child, RestartAsked(child.id, reason), anew=True)


async def resume(engine: Supervisor, child: Child, reason: str = "resumed by hand") -> None:
    """End a hold; returns when it is started. Raises ChildStartError. Without a hold nothing changes."""
    if child.state is State.HELD or child.hold:
        await _ask_for_start(engine, child, ResumeAsked(child.id, reason), anew=True)


async def _ask_for_start(engine: Supervisor, child: Child, fact: AskFact, *, anew: bool) -> None:
    before = child.generation
    engine.post(fact)
    while engine.has_waiting and not engine.over:
        await engine.wait_change()
    while not _is_up(child, before, anew=anew):
        if child.generation > before or not engine.busy or engine.over:
            check_going(engine, child)
        await engine.wait_change()


def _is_up(child: Child, before: int, *, anew: bool) -> bool:
    if child.generation == before and anew:
        return False
    # Who has ended well meanwhile has been up.
    return child.state in UP or (child.state is State.FINISHED and child.generation > before)


def checked(id: str, reply: Reply) -> Reply:
    """A good answer to a call. Raises ChildStartError, CallError."""
    if reply.answer is Answer.START_FAILED:
        raise ChildStartError(id, reply.exit)
    if not reply.answer.good:
        raise CallError(id, reply.answer)
    return reply


def check_going(engine: Supervisor, child: Child) -> None:
    """Raises ChildStartError if it is gone, or at rest and nothing will change that."""
    gone = child.state is State.REMOVED or engine.over
    if gone or (child.state.resting and not engine.busy):
        raise ChildStartError(engine.path_of(child.id), child.last_exit, f"{child.state.value}: {child.reason}")


async def stop(engine: Supervisor, child: Child) -> None:
    """Have it down; it stays so until somebody starts it or its group is restarted. Harmless if it is gone."""
    reply = await engine.call(Verb.TERMINATE, child.id)
    if reply.answer is Answer.SHUTTING_DOWN:
        await engine.wait_over()


async def hold(engine: Supervisor, child: Child, reason: str = "held by hand") -> None:
    """Keep it down until `resume`, whatever becomes of its siblings; returns when it is down.

    Raises:
        ConflictError: somebody else wants it otherwise meanwhile.
    """
    await _ask_and_wait(engine, child, HoldAsked(child.id, reason), until=State.HELD)


async def remove(engine: Supervisor, child: Child, reason: str = "removed by hand") -> None:
    """Stop it and forget it; returns when it is gone."""
    await _ask_and_wait(engine, child, RemoveAsked(child.id, reason), until=State.REMOVED)


async def _ask_and_wait(engine: Supervisor, child: Child, fact: AskFact, until: State) -> None:
    engine.post(fact)
    while engine.has_waiting and not engine.over:
        await engine.wait_change()
    while not engine.over and child.state not in (State.REMOVED, until):
        if until is State.HELD and not child.hold and not engine.busy:
            raise ConflictError(f"{engine.path_of(child.id)}: somebody else wants it otherwise: {child.reason}")
        await engine.wait_change()


async def reset(engine: Supervisor, child: Child) -> None:
    """Forget how often it has failed."""
    engine.post(ResetAsked(child.id))
    while engine.has_waiting and not engine.over:
        await engine.wait_change()


def check_killed(engine: Supervisor, child: Child) -> None:
    """Raises NotKilledError if something of its last life could not be killed."""
    if child.last_exit is not None and child.last_exit.how is How.UNKILLABLE:
        raise NotKilledError(f"{engine.path_of(child.id)}: {child.last_exit}")
