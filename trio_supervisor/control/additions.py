"""Agents that somebody adds by what would stand under their name in a file: read, added, and there in the next run."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from trio_supervisor.control import adding
from trio_supervisor.control.api import Operation, Verb, Wait
from trio_supervisor.control.looks import supervisor_at
from trio_supervisor.control.orders import Orders, seconds
from trio_supervisor.control.register import Added, Register, beside
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import CallError, ConfigError, ConflictError, RequestError, SpecError, UnknownAgentError
from trio_supervisor.spec import check_id


class Additions:
    """Adds agents to one tree. What is added is the register's to know."""

    def __init__(self, top: Supervisor, sources: Sources | None, orders: Orders, register: Register) -> None:
        """`sources`: whence it is known what is meant; None: from nowhere."""
        self._top = top
        self._sources = sources
        self._orders = orders
        self._register = register

    async def add(self, agent: str, text: str, wait: Wait, *, start: bool) -> Operation:
        """Add one, and start it; see `Control.register`."""
        until = seconds(wait)
        under, slash, name = agent.rpartition("/")
        if slash and not under:
            raise UnknownAgentError(f"{agent!r}: a path begins with a name")
        _check_name(name)
        engine = supervisor_at(self._top, under)
        added = self._register.is_there(agent, text, engine)
        effect: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        if added is None:
            adding.check_place(engine, agent)
            written = await self._read(text, agent)
            engine = supervisor_at(self._top, under)
            specs = adding.checked(engine, agent, written.spec.children)
            added = Added(text, start, specs)
            effect = partial(self._add_all, agent, partial(adding.add_all, engine, specs, start=start))
            self._note(agent, added)
        look = partial(self._orders.look_at, agent)
        return await self._orders.carry_out(Verb.ADD, agent, look, effect, until, added=added.value, lasts=True)

    async def _read(self, text: str, agent: str) -> Written:
        if self._sources is None or self._sources.agents is None:
            raise ConflictError("this supervisor can't read what is said of an agent")
        found = (await self._sources.agents({agent: text}))[agent]
        if isinstance(found, ConfigError):
            raise found
        return found

    def _note(self, agent: str, added: Added) -> None:
        self._register.note(agent, added)
        if not added.start:
            self._orders.note_put_down(beside(agent, spec.id) for spec in added.specs)

    async def _add_all(self, agent: str, add: Callable[[], Awaitable[None]]) -> None:
        try:
            await add()
        except (CallError, SpecError):
            # It was refused, so it is not there.
            self._register.note_gone(agent)
            raise


def _check_name(name: str) -> None:
    try:
        check_id(name)
    except SpecError as error:
        raise RequestError(str(error)) from None
