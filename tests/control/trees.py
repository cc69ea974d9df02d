"""Trees to be controlled: in this process, and through their socket."""

import inspect
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from trio_supervisor import ChildSpec, process, supervisor, task
from trio_supervisor.control.api import Event, Gap, LogLine, State
from trio_supervisor.control.client import Client
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.server.door import listening, listening_at
from trio_supervisor.control.server.entry import Entry
from trio_supervisor.control.server.serving import serve
from trio_supervisor.control.tokens import Tokens
from trio_supervisor.embedding.specs import supervisor_spec
from trio_supervisor.output.hub import Hub
from trio_supervisor.wiring import make_supervisor

PATIENCE = 20.0
"""Seconds that anything may take here at the most; what is waited for comes much earlier."""


async def forever() -> None:
    await trio.sleep_forever()


async def stubborn() -> None:
    """Takes its time to end."""
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.3)


async def crash() -> None:
    raise ValueError("no luck")


def cat(id: str = "cat") -> ChildSpec:
    return process(id, ["cat"], stdin="pipe", restart="temporary")


def some() -> tuple[ChildSpec, ...]:
    """A small tree: three tasks, one of them in a supervisor."""
    return task("a", forever), task("b", forever), supervisor("team", task("planner", forever))


@asynccontextmanager
async def open_control(*children: ChildSpec, **options: Any) -> AsyncIterator[LocalControl]:
    """A running tree; all of it is up, or at rest."""
    hub = Hub()
    engine = make_supervisor(supervisor_spec(children, **options), hub)
    async with trio.open_nursery() as nursery:
        control = LocalControl(engine, nursery)
        await nursery.start(hub.run)
        async with engine.open():
            with trio.fail_after(PATIENCE):
                while any(one.state in (State.WAITING, State.STARTING, State.RUNNING) for one in control.snapshot()):
                    await engine.wait_change()
            yield control
        nursery.cancel_scope.cancel()


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a socket, whatever the test is called."""
    directory = Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@asynccontextmanager
async def serving(control: LocalControl) -> AsyncIterator[Path]:
    """Its socket."""
    with short_directory() as directory, listening(directory / "control.sock") as listener:
        closing = trio.Event()
        async with trio.open_nursery() as nursery:
            # It listens already.
            nursery.start_soon(partial(serve, listener, control, closing=closing))  # noqa: ASYNC113 -- for that reason
            try:
                yield directory / "control.sock"
            finally:
                closing.set()


OPERATE = "operate-0123456789abcdef-0123456789abcdef"
OBSERVE = "observe-0123456789abcdef-0123456789abcdef"


@asynccontextmanager
async def serving_tcp(control: LocalControl, told: list[tuple[str, str]] | None = None) -> AsyncIterator[int]:
    """The same at a TCP port, for who has a token; `told` gets what is told of wrong ones."""
    entry = Entry(Tokens(OBSERVE, OPERATE), partial(_note, [] if told is None else told), ("agents.example",))
    with listening_at("127.0.0.1:0") as listener:
        closing = trio.Event()
        async with trio.open_nursery() as nursery:
            # It listens already.
            nursery.start_soon(  # noqa: ASYNC113 -- for that reason
                partial(serve, listener, control, closing=closing, entry=entry)
            )
            try:
                yield listener.getsockname()[1]
            finally:
                closing.set()


async def _note(told: list[tuple[str, str]], address: str, words: str) -> None:
    told.append((address, words))


async def in_thread(function: Any, *arguments: Any, **options: Any) -> Any:
    """What blocks, while the tree goes on."""
    with trio.fail_after(PATIENCE):
        return await trio.to_thread.run_sync(partial(function, *arguments, **options), abandon_on_cancel=True)


class Near:
    """The control itself."""

    def __init__(self, control: LocalControl) -> None:
        self._control = control

    async def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Any of its methods."""
        with trio.fail_after(PATIENCE):
            answer = getattr(self._control, name)(*arguments, **options)
            return await answer if inspect.isawaitable(answer) else answer

    async def events(self, after: int | None) -> list[Event | Gap]:
        return [event async for event in self._control.events(after, follow=False)]

    async def logs(self, *agents: str, **options: Any) -> list[LogLine]:
        async with self._control.logs(agents, **options) as lines:
            return [line async for line in lines]


class Far:
    """The same through the socket."""

    def __init__(self, path: Path) -> None:
        self._client = Client(path)

    async def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Any of its methods."""
        return await in_thread(getattr(self._client, name), *arguments, **options)

    async def events(self, after: int | None) -> list[Event | Gap]:
        def read() -> list[Event | Gap]:
            with self._client.events(after, follow=False) as events:
                return list(events)

        found: list[Event | Gap] = await in_thread(read)
        return found

    async def logs(self, *agents: str, **options: Any) -> list[LogLine]:
        def read() -> list[LogLine]:
            with self._client.logs(agents, **options) as lines:
                return list(lines)

        found: list[LogLine] = await in_thread(read)
        return found


@asynccontextmanager
async def reached(how: str, control: LocalControl) -> AsyncIterator[Near | Far]:
    """A control, "near" or "far"."""
    if how == "near":
        yield Near(control)
    else:
        async with serving(control) as path:
            yield Far(path)
