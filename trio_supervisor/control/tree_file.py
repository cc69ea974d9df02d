"""The file that a tree is written in: read again, compared with the tree, and applied to it."""

from functools import partial

from trio_supervisor.control import planning
from trio_supervisor.control.api import Operation, Plan, Verb, Wait
from trio_supervisor.control.applying import Applying, check
from trio_supervisor.control.looks import supervisors
from trio_supervisor.control.operations import Looks, Order
from trio_supervisor.control.orders import Orders, seconds, wait_for
from trio_supervisor.control.register import Register
from trio_supervisor.control.sources import Sources, Written, check_meant
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.journal.restoring import paths


class TreeFile:
    """Of one tree."""

    def __init__(self, top: Supervisor, sources: Sources, orders: Orders, register: Register) -> None:
        self._top = top
        self._sources = sources
        self._orders = orders
        self._register = register
        self._applied: tuple[Order, Written] | None = None
        """What was applied last."""

    async def plan(self, meant: str | None) -> Plan:
        """Read it, and compare the tree with it; see `Control.plan`."""
        planned = planning.plan(self._top, await self._read(meant), self._register.paths)
        return Plan(tuple(planned.changes), planned.written.warnings, tuple(planned.refusals))

    async def apply(self, meant: str | None, wait: Wait) -> Operation:
        """Read it, and bring the tree to it; see `Control.apply`."""
        until = seconds(wait)
        written = await self._read(meant)
        if self._applied is not None and not self._applied[0].over.is_set() and self._applied[1] == written:
            await self._orders.write_down(Verb.APPLY.value, "", "as it is being done already")
            return await wait_for(self._applied[0], until)
        await self._taken_in()
        order = self._begin(written)
        self._applied = order, written
        return await wait_for(order, until)

    def _begin(self, written: Written) -> Order:
        """No checkpoint: as planned, so done. Raises ConflictError, SpecError: nothing of it is done."""
        planned = planning.plan(self._top, written, self._register.paths)
        check(planned)
        work = Applying(planned)
        work.begin()
        entry = partial(self._orders.write_down, Verb.APPLY.value, "", work.words)
        order = self._orders.begin(Verb.APPLY, "", lambda: Looks(0, work.awaits), work.run, entry)
        order.changes = tuple(planned.changes)
        for path in paths(written.spec):
            if path in self._register.paths:
                self._register.note_gone(path)
        return order

    async def _read(self, meant: str | None) -> Written:
        check_meant(meant, self._sources.path)
        return await self._sources.file()

    async def _taken_in(self) -> None:
        """Wait until what was asked before is known to everybody."""
        engines = list(supervisors(self._top))
        while waiting := next((each for each in engines if each.has_waiting and not each.over), None):
            await waiting.wait_change()
