"""Joining one child in its present life, with the right to write to it or without."""

from trio_supervisor.control.talking import interactive
from trio_supervisor.core.child import Child
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, InputClosedError
from trio_supervisor.sessions.attaching import attach
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.session import Session


def join(engine: Supervisor, child: Child, holder: str, *, write: bool, force: bool) -> Session:
    """A session that begins with what its life has said.

    Raises:
        ConflictError: it has no life, or, to `write`, nothing that could be written to.
        WriterBusyError: somebody else writes; names who.
    """
    path = engine.path_of(child.id)
    life = engine.life(child.id)
    if life is None or not child.up:
        raise ConflictError(f"{path} is {child.state.value}: to attach takes a life of it; start it first")
    channel = Channel(engine, child.id)
    try:
        if write:
            interactive(engine, child, "what you type")
            channel.input()
    except InputClosedError as error:
        channel.close()
        raise ConflictError(f"{error}; --read-only only watches") from None
    except ConflictError:
        channel.close()
        raise
    return attach(channel, holder, write=write, replay=True, force=force)
