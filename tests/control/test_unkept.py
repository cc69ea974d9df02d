"""Who gives an order that the next run should know of is told when it can't be kept."""

from collections.abc import Mapping

import trio

from tests.control.conftest import Open
from tests.control.test_metrics import parsed, values
from tests.control.trees import forever, open_control
from trio_supervisor import task
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.embedding.specs import supervisor_spec
from trio_supervisor.errors import ConfigError
from trio_supervisor.journal.orders import Order

TROUBLE = "journal /full/journal.sqlite: database or disk is full"


class Disk:
    """Takes orders, or does not."""

    def __init__(self, control: LocalControl) -> None:
        self.trouble = ""
        control.record_orders(self._record, "/full/journal.sqlite", trouble=lambda: self.trouble)

    async def _record(self, _order: Order) -> bool:
        await trio.lowlevel.checkpoint()
        return not self.trouble


async def test_orders_that_outlast_the_run_tell_that_they_do_not(opened: Open) -> None:
    async with opened(task("a", forever), task("b", forever)) as (local, control):
        disk = Disk(local)
        assert (await control.call("hold", "a")).warnings == ()
        disk.trouble = TROUBLE
        warning = f"not kept for the next run, unless it can be written before the end of this one: {TROUBLE}"
        for verb, warned in (("resume", True), ("restart", False), ("stop", True), ("start", True), ("hold", True)):
            done = await control.call(verb, "a")
            assert done.warnings == ((warning,) if warned else ()), verb
        given = await control.call("stop", "b", wait=False)
        assert (await control.call("outcome", given.id)).warnings == (warning,)
        disk.trouble = ""
        assert (await control.call("reset", "a")).warnings == ()


async def test_who_adds_an_agent_is_told_that_it_will_not_come_back() -> None:
    async def read_agents(texts: Mapping[str, str]) -> dict[str, Written | ConfigError]:
        return {agent: Written(supervisor_spec([task(agent, forever)])) for agent in texts}

    async def read() -> Written:
        raise AssertionError("nobody asks for the file")

    async with open_control(task("a", forever)) as control:
        control.read_by(Sources(read, read_agents))
        disk = Disk(control)
        disk.trouble = TROUBLE
        assert (await control.register("new", "{}")).warnings[0].endswith(TROUBLE)
        assert (await control.restart("a")).warnings == ()
        # That it has gone is forgotten as well.
        assert (await control.remove("new")).warnings[0].endswith(TROUBLE)
        assert (await control.remove("a")).warnings == ()


async def test_whoever_looks_is_told_as_long_as_it_is_so(opened: Open) -> None:
    async with opened(task("a", forever)) as (local, control):
        assert await control.call("warnings") == ()
        disk = Disk(local)
        for trouble, warnings, up in (
            ("", (), 1),
            (TROUBLE, (f"{TROUBLE}; the next run will not know who was held, stopped or added meanwhile",), 0),
            ("", (), 1),
        ):
            disk.trouble = trouble
            assert await control.call("warnings") == warnings
            found = parsed(await control.call("metrics"), is_openmetrics=False)
            assert values(found["trio_supervisor_journal_up"]) == [up]


async def test_a_run_that_has_nowhere_to_keep_it_tells_so(opened: Open) -> None:
    async with opened(task("a", forever)) as (local, control):
        local.keep_nothing("there is no state directory, and so no journal")
        (warning,) = (await control.call("hold", "a")).warnings
        assert warning.endswith(": there is no state directory, and so no journal")
        assert "trio_supervisor_journal_up" not in parsed(await control.call("metrics"), is_openmetrics=False)
