"""What a planned restart waits for: that the child is not busy any more, and nobody is connected; within bounds."""

from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.commands import LookAtLife
from trio_supervisor.core.facts import Looked
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import in_words
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import stop
from trio_supervisor.core.tree import Tree

NEXT_LOOK = 1.0
"""Seconds between looks at the connections that are left: nobody tells when they end."""


def may_drain(tree: Tree, child: Child) -> bool:
    """Whether there is anything to wait for before its stop. Profile otp knows no such state."""
    up = child.state in (State.RUNNING, State.READY) and child.was_ready and child.up
    return up and child.policy.drain > 0 and not tree.policy.ordered and not tree.shutting_down


def drain(
    tree: Tree, child: Child, cause: StopCause, reason: str, now: float, grounds: tuple[Ground, ...] = ()
) -> None:
    """Take it out of use; its stop begins when it is not needed any more."""
    due = now + child.policy.drain
    words = f"waits for what it is busy with, {in_words(child.policy.drain)} at the most"
    drains = Ground(Rule.DRAIN, words, (("drain", child.policy.drain),))
    tree.enter(child, State.DRAINING, now, reason, next_at=due, grounds=(*grounds, drains))
    tree.timers.set(child.id, due)
    child.cause = cause
    child.failure = reason if cause is StopCause.FAILURE else ""
    child.grounds = grounds
    tree.say(LookAtLife(child.id, child.generation, connections=True))


def drained(tree: Tree, child: Child, note: str, now: float) -> None:
    """The wait is over."""
    assert child.cause is not None, "who drains is to be stopped for a reason"
    stop(tree, child, child.cause, child.reason + note, now, child.grounds)


def looked(tree: Tree, child: Child, fact: Looked, now: float) -> None:
    """Stop it, unless it is still in use. The end of being busy is told; that of a connection has to be looked for."""
    if child.busy or tree.shutting_down:
        return
    if fact.connections:
        tree.clocks.set(child.id, now + NEXT_LOOK)
    else:
        drained(tree, child, "", now)
