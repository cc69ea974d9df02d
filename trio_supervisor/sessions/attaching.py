"""How a session with a child begins: with the right to write or without, and with what was said before."""

from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import WriterBusyError
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.cursor import Cursor
from trio_supervisor.sessions.session import Session


def attach(channel: Channel, holder: str, *, write: bool, replay: bool | int, force: bool = False) -> Session:
    """A session with a child; `holder`: the name of who it is for.

    `replay`: begin with what the present life has said, as far as it is kept (True), with so many of the last pieces,
    or with what comes from now on (False). `force`: take the right to write away from whoever has it.

    Raises:
        WriterBusyError: somebody else writes; names who.
    """
    try:
        writer = channel.lease.take(holder, force=force) if write else None
    except WriterBusyError:
        channel.close()
        raise
    return Session(channel, writer, _beginning(channel, replay))


def attach_to(
    engine: Supervisor, id: str, holder: str, *, write: bool, replay: bool | int, force: bool = False
) -> Session:
    """A session with a child of a supervisor; see `attach`."""
    return attach(Channel(engine, id), holder, write=write, replay=replay, force=force)


def _beginning(channel: Channel, replay: bool | int) -> Cursor:
    ring = channel.ring
    if replay is True:
        entries = ring.read(0, ring.limits.bytes).entries
        return Cursor(next((each.seq for each in entries if each.generation >= channel.generation), ring.next))
    return Cursor(max(ring.first, ring.next - max(0, replay)))
