"""The composition root: puts engine, plug-ins and output together behind a `Control`."""

import os
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control.api import Control, Event, Remark
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.recording import Recorder
from trio_supervisor.control.server.door import listening
from trio_supervisor.control.server.serving import serve
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.world import World
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import Order
from trio_supervisor.output.hub import Hub
from trio_supervisor.plugins import open_guarded, open_probe, prints_taken_in, runtimes_under, send_request
from trio_supervisor.record import changed
from trio_supervisor.spec import SupervisorSpec
from trio_supervisor.state.claim import Claim, claimed
from trio_supervisor.state.directory import control_socket
from trio_supervisor.state.leftovers import Cleared
from trio_supervisor.vault import note_secret_sources, redact

LAST_WRITES = 2.0
"""So many seconds a slow disk has at the end for the log files, and then for the journal."""

if TYPE_CHECKING:
    from trio_supervisor.journal.restoring import Past

__all__ = ["Claim", "Cleared", "Journal", "Order", "claimed", "make_supervisor", "open_tree", "past_of", "served"]


async def past_of(journal: Journal, spec: SupervisorSpec, named: Sequence[str]) -> "Past | None":
    """What earlier runs have left for this tree; see `Past`."""
    memory = await journal.loaded()
    if not memory:
        return None
    from trio_supervisor.journal.restoring import Past  # noqa: PLC0415 -- not for a first run

    return Past(memory, spec, named)


def make_supervisor(spec: SupervisorSpec, hub: Hub, past: "Past | None" = None) -> Supervisor:
    """A supervisor for real children, whose output goes to `hub`. `past`: what an earlier run has left."""
    world = World(
        runtimes_under(spec.containers),
        open_probe,
        hub.sink,
        hub.room,
        random.random,
        send_request,
        redact,
        hub.ring,
        hub.forget,
        hub.at_once,
    )
    return Supervisor(spec, world if past is None else changed(world, restored=past.take))


@asynccontextmanager
async def open_tree(
    spec: SupervisorSpec,
    hub: Hub,
    watch: Callable[[Event], None],
    guard: Guard,
    hear: Callable[[Remark], None] | None = None,
    journal: Journal | None = None,
    past: "Past | None" = None,
) -> AsyncIterator[Control]:
    """Run a tree while the block lasts; leaving it stops the tree. `watch` gets every event, from the first start on,
    `hear` every remark. The journal is closed when everything is down.
    """
    note_secret_sources(spec)
    supervisor = make_supervisor(spec, hub, past)
    async with trio.open_nursery() as nursery:
        control = LocalControl(supervisor, nursery)
        control.listen(watch)
        if hear is not None:
            control.listen_to_remarks(hear)
        if journal is not None:
            Recorder(journal, supervisor, control)
            control.record_orders(journal.order)
        await nursery.start(hub.run)
        try:
            with prints_taken_in(spec):
                async with open_guarded(guard), supervisor.open():
                    yield control
        finally:
            await hub.aclose(LAST_WRITES)  # noqa: ASYNC102 -- it shields itself, and is bounded
            if journal is not None:
                await journal.aclose(LAST_WRITES)  # noqa: ASYNC102 -- the same
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def served(
    control: Control, directory: Path | None, environ: Mapping[str, str], warn: Callable[[str], None]
) -> AsyncIterator[None]:
    """Let others command the tree over its socket while the block lasts; `directory`: the state directory, ours alone.

    Where there can be no socket, `warn` is told, and nobody can.
    """
    path = None if directory is None else control_socket(directory, environ)
    if path is None:
        if directory is not None:
            warn(f"no control socket: the path of {directory} is too long, and $XDG_RUNTIME_DIR names no other place")
        yield
        return
    try:
        door = listening(path)
        listener = door.__enter__()
    except OSError as error:
        warn(f"no control socket: {os.fspath(path)}: {error.strerror}")
        yield
        return
    closing = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve, listener, control, closing=closing))
            try:
                yield
            finally:
                closing.set()
    finally:
        door.__exit__(None, None, None)
