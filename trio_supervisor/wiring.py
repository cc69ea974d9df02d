"""The composition root: puts engine, plug-ins and output together behind a `Control`."""

import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control.api import Control, Event, Remark
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.recording import Recorder
from trio_supervisor.control.register import Added
from trio_supervisor.control.server.door import listening as open_socket
from trio_supervisor.control.server.serving import serve
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.world import World
from trio_supervisor.errors import ConfigError
from trio_supervisor.guardian.launch import Guard
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import ADDED, DOWN, HELD, Order
from trio_supervisor.output.hub import Hub
from trio_supervisor.plugins import (
    container_faults,
    engine_troubles,
    guardian_lives,
    open_guarded,
    open_probe,
    outbound,
    prints_taken_in,
    runtimes_under,
    send_request,
)
from trio_supervisor.record import changed, record
from trio_supervisor.spec import SupervisorSpec
from trio_supervisor.state.claim import Claim, claimed
from trio_supervisor.state.directory import control_socket
from trio_supervisor.state.leftovers import Cleared
from trio_supervisor.vault import has_secrets, note_secret_sources, redact
from trio_supervisor.workspaces import keep_in

LAST_WRITES = 2.0
"""So many seconds a slow disk has at the end for the log files, and then for the journal."""

if TYPE_CHECKING:
    from trio_supervisor.control.tokens import Tokens
    from trio_supervisor.journal.restoring import Past

__all__ = [
    "Claim",
    "Cleared",
    "Journal",
    "Listening",
    "Order",
    "Sources",
    "Written",
    "check_containers",
    "claimed",
    "engine_warnings",
    "guardian_lives",
    "make_supervisor",
    "open_tree",
    "past_of",
    "served",
]


async def past_of(journal: Journal, spec: SupervisorSpec, named: Sequence[str]) -> "Past | None":
    """What earlier runs have left for this tree; see `Past`."""
    memory = await journal.loaded()
    if not memory:
        return None
    from trio_supervisor.journal.restoring import Past  # noqa: PLC0415 -- not for a first run

    return Past(memory, spec, named)


def make_supervisor(
    spec: SupervisorSpec,
    hub: Hub,
    past: "Past | None" = None,
    journal: Journal | None = None,
    directory: Path | None = None,
) -> Supervisor:
    """A supervisor for real children, whose output goes to `hub`. `past`: what an earlier run has left; `journal`: who
    keeps what the next run needs, and is loaded; `directory`: the state directory.
    """
    world = World(
        runtimes_under(spec.containers, _private(directory)),
        open_probe,
        hub.sink,
        hub.room,
        random.random,
        send_request,
        redact,
        hub.ring,
        hub.forget,
        hub.at_once,
        hub.lost,
        outbound=outbound,
        has_secrets=has_secrets,
    )
    if past is not None:
        world = changed(world, restored=past.take, named=past.named)
    if journal is not None:
        world = changed(world, remember=journal.remember, recall=journal.recall)
    return Supervisor(spec, world)


def _private(directory: Path | None) -> dict[str, str]:
    """What no container gets, however it is confined: who commands the supervisor is not confined by it."""
    if directory is None:
        return {}
    socket = control_socket(directory, os.environ)
    private = {} if socket is None else {os.fspath(socket.parent): "where the supervisor listens"}
    return {**private, os.fspath(directory): "the supervisor's state directory"}


def check_containers(spec: SupervisorSpec, directory: Path | None) -> None:
    """See that no container of a tree wants what only this run knows that it can't have; `directory`: its state
    directory.

    Raises:
        ConfigError: those that do, a line each.
    """
    if faults := list(container_faults(spec, spec.containers, _private(directory))):
        raise ConfigError("\n".join(faults))


def engine_warnings(spec: SupervisorSpec) -> Iterator[str]:
    """Container engines of a tree that do not answer just now, a line each, and who would wait for them."""
    waiting: dict[str, list[str]] = {}
    for agent, trouble in engine_troubles(spec, os.environ):
        waiting.setdefault(trouble, []).append(agent)
    for trouble, agents in waiting.items():
        yield f"{', '.join(agents)}: would wait for a container engine now: {trouble}"


@asynccontextmanager
async def open_tree(
    spec: SupervisorSpec,
    hub: Hub,
    watch: Callable[[Event], None],
    guard: Guard,
    hear: Callable[[Remark], None] | None = None,
    journal: Journal | None = None,
    past: "Past | None" = None,
    sources: Sources | None = None,
    directory: Path | None = None,
) -> AsyncIterator[Control]:
    """Run a tree while the block lasts; leaving it stops the tree. `watch` gets every event, from the first start on,
    `hear` every remark. `sources`: how it is read anew what the tree is to be. `directory`: the state directory. The
    journal is closed when everything is down.
    """
    note_secret_sources(spec)
    keep_in(directory)
    supervisor = make_supervisor(spec, hub, past, journal, directory)
    async with trio.open_nursery() as nursery:
        control = LocalControl(supervisor, nursery)
        control.listen(watch)
        if hear is not None:
            control.listen_to_remarks(hear)
        if sources is not None:
            control.read_by(sources)
        if journal is not None:
            Recorder(journal, supervisor, control)
            control.record_orders(journal.order, journal.path, journal.remember, lambda: journal.trouble)
        elif directory is None and spec.journal is not None:
            control.keep_nothing("there is no state directory, and so no journal")
        if past is not None:
            control.note_put_down(past.by_hand)
        await nursery.start(hub.run)
        try:
            with prints_taken_in(spec):
                async with open_guarded(guard), supervisor.open():
                    if journal is not None and sources is not None and sources.restore:
                        await _restore_added(control, journal, sources)
                    yield control
        finally:
            await hub.aclose(LAST_WRITES)  # noqa: ASYNC102 -- it shields itself, and is bounded
            if journal is not None:
                await journal.aclose(LAST_WRITES)  # noqa: ASYNC102 -- the same
        nursery.cancel_scope.cancel()


@record
class Listening:
    """Where TCP is listened to besides the socket, and who may come in there."""

    listener: socket.socket
    tokens: "Tokens"
    hosts: tuple[str, ...] = ()
    """The names that it is known under, beside addresses and localhost."""


async def _restore_added(control: LocalControl, journal: Journal, sources: Sources) -> None:
    """Have those again that were added in earlier runs, and that nobody has removed."""
    memory = await journal.loaded()
    known = {owner: value for (owner, name), value in memory.items() if name == ADDED and isinstance(value, dict)}
    if not known:
        return
    texts = {agent: text for agent, value in known.items() if isinstance(text := value.get("text"), str)}
    read = {} if sources.agents is None else await sources.agents(texts)
    added: dict[str, Added] = {}
    held: dict[str, str] = {}
    for agent, written in read.items():
        down = memory.get((agent, DOWN))
        if isinstance(written, ConfigError):
            sources.complain(f"{agent}, which was added at run time, does not come back: {written}")
            continue
        if isinstance(down, dict) and down.get("state") == HELD:
            held[agent] = str(down.get("reason") or HELD)
        start = known[agent].get("start") is not False and not isinstance(down, dict)
        added[agent] = Added(texts[agent], start, written.spec.children)
    control.restore(added, held)


@asynccontextmanager
async def served(
    control: Control,
    directory: Path | None,
    environ: Mapping[str, str],
    warn: Callable[[str], None],
    listening: Listening | None = None,
    journal: Journal | None = None,
) -> AsyncIterator[None]:
    """Let others command the tree over its socket while the block lasts, and over TCP where `listening` says so;
    `directory`: the state directory, ours alone.

    Where there can be no socket, `warn` is told, and nobody can.
    """
    closing = trio.Event()
    with ExitStack() as stack:
        listener = _open_socket(stack, directory, environ, warn)
        async with trio.open_nursery() as nursery:
            if listener is not None:
                # It listens already.
                nursery.start_soon(partial(serve, listener, control, closing=closing))  # noqa: ASYNC113 -- for that reason
            if listening is not None:
                nursery.start_soon(  # noqa: ASYNC113 -- the same
                    _serve_tcp, listening, control, closing, warn, journal
                )
            try:
                yield
            finally:
                closing.set()


def _open_socket(
    stack: ExitStack, directory: Path | None, environ: Mapping[str, str], warn: Callable[[str], None]
) -> socket.socket | None:
    if directory is None:
        return None
    path = control_socket(directory, environ)
    if path is None:
        warn(f"no control socket: the path of {directory} is too long, and $XDG_RUNTIME_DIR names no other place")
        return None
    try:
        return stack.enter_context(open_socket(path))
    except OSError as error:
        warn(f"no control socket: {os.fspath(path)}: {error.strerror}")
        return None


async def _serve_tcp(
    listening: Listening,
    control: Control,
    closing: trio.Event,
    warn: Callable[[str], None],
    journal: Journal | None,
) -> None:
    from trio_supervisor.control.server.entry import Entry  # noqa: PLC0415 -- most runs need none

    async def tell(address: str, words: str) -> None:
        warn(f"control: {address}: {words}")
        if journal is not None:
            await journal.order(Order("connect", reason=words, who="no token", origin=address))

    entry = Entry(listening.tokens, tell, listening.hosts)
    await serve(listening.listener, control, closing=closing, entry=entry)
