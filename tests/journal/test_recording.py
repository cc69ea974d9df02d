"""From one run to the next: what a tree tells is written down, and what outlasts the run is restored."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.recording import Recorder
from trio_supervisor.core.facts import HoldAsked, RemoveAsked, Restored, StartAsked, StopAsked
from trio_supervisor.core.policy import Backoff, Intensity
from trio_supervisor.core.state import Desired, State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.journal.entries import Key, Kind, Plain
from trio_supervisor.journal.journal import Journal
from trio_supervisor.journal.orders import DOWN, LIMIT, RESTARTS, down
from trio_supervisor.journal.reading import Reader
from trio_supervisor.journal.restoring import Past, paths
from trio_supervisor.record import changed
from trio_supervisor.spec import ChildSpec, JournalLimits, ProcessSpec, SupervisorSpec
from trio_supervisor.testing import Script, ScriptedWorld

GRACE = 20.0
QUICK = Backoff(initial=0.001)


def child(name: str, **options: object) -> ChildSpec:
    return ChildSpec(id=name, run=ProcessSpec(command=(name,)), **options)  # type: ignore[arg-type]


TREE = SupervisorSpec(
    children=(child("a"), child("b"), ChildSpec(id="team", run=SupervisorSpec(children=(child("x"), child("y"))))),
)


class Run:
    """A tree that is run with a journal."""

    def __init__(self, supervisor: Supervisor, control: LocalControl, journal: Journal) -> None:
        self.supervisor = supervisor
        self.control = control
        self.journal = journal

    def states(self) -> dict[str, str]:
        return {one.agent: one.state.value for one in self.control.snapshot()}

    async def until(self, fact: Callable[[], bool]) -> None:
        with trio.fail_after(GRACE):
            while not fact():
                await trio.sleep(0.001)

    async def see(self, **states: str) -> None:
        wanted = {path.replace("_", "/"): state for path, state in states.items()}
        await self.until(lambda: wanted.items() <= self.states().items())


@asynccontextmanager
async def run(path: str, spec: SupervisorSpec = TREE, script: Script | None = None, *named: str) -> AsyncIterator[Run]:
    scripts = {} if script is None else {"a": [script]}
    journal = Journal(path, JournalLimits(), lambda text: pytest.fail(text))
    past = Past(await journal.loaded(), spec, named)
    supervisor = Supervisor(spec, changed(ScriptedWorld(scripts).world, restored=past.take))
    async with trio.open_nursery() as nursery:
        control = LocalControl(supervisor, nursery)
        Recorder(journal, supervisor, control)
        async with supervisor.open():
            yield Run(supervisor, control, journal)
    await journal.aclose(GRACE)


async def test_two_runs_one_after_the_other_restore_holds_and_stops_by_hand_at_every_level(path: str) -> None:
    async with run(path) as first:
        await first.see(a="ready", team_x="ready", team_y="ready")
        inner = first.supervisor.inner("team")
        assert inner is not None
        first.supervisor.post(HoldAsked("a", "too dear"))
        inner.post(StopAsked("x"))
        await first.see(a="held", team_x="stopped")
    async with run(path) as second:
        await second.see(a="held", b="ready", team_x="stopped", team_y="ready")
        assert second.supervisor.children["a"].reason == "too dear"
        second.supervisor.post(StartAsked("a"))
        await second.see(a="ready")
    async with run(path) as third:
        await third.see(a="ready", b="ready", team_x="stopped", team_y="ready")


async def test_a_supervisor_that_is_stopped_by_hand_is_what_stays_stopped_not_its_children(path: str) -> None:
    async with run(path) as first:
        await first.see(team_x="ready")
        first.supervisor.post(StopAsked("team"))
        await first.see(team="stopped")
        assert first.journal.recall("team/x", DOWN) is None
    async with run(path) as second:
        await second.see(team="stopped", a="ready")
        second.supervisor.post(StartAsked("team"))
        await second.see(team_x="ready", team_y="ready")


async def test_one_that_is_named_runs_although_it_was_held(path: str) -> None:
    async with run(path) as first:
        first.supervisor.post(HoldAsked("a"))
        await first.see(a="held")
    async with run(path, TREE, None, "a") as second:
        await second.see(a="ready")


async def test_of_one_that_is_removed_nothing_is_left(path: str) -> None:
    async with run(path) as first:
        first.supervisor.post(HoldAsked("a"))
        await first.see(a="held")
        first.supervisor.post(RemoveAsked("a"))
        await first.until(lambda: "a" not in first.states())
        assert first.journal.recall("a", DOWN) is None


async def test_restarts_are_counted_on_and_still_count_towards_the_limit(path: str) -> None:
    spec = SupervisorSpec(children=(child("a", backoff=QUICK),), intensity=Intensity(4, 3600))
    async with run(path, spec, Script(lifetime=0.005)) as first:
        await first.until(lambda: first.supervisor.children["a"].restarts == 2)
    async with run(path, spec, Script(lifetime=0.005)) as second:
        assert second.supervisor.children["a"].restarts >= 2
        await second.see(a="held")
        assert second.supervisor.children["a"].restarts == 4
        assert second.supervisor.children["a"].generation <= 3
    async with run(path, spec) as third:
        await third.see(a="held")
        it = third.supervisor.children["a"]
        assert it.reason.startswith("restart limit: 4 restarts")
        assert (it.desired, it.hold) == (Desired.UP, "")


async def test_who_holds_one_is_known_in_each_further_run(path: str) -> None:
    spec = SupervisorSpec(children=(child("a", backoff=QUICK), child("b")), intensity=Intensity(1, 3600))
    async with run(path, spec, Script(lifetime=0.005)) as first:
        first.supervisor.post(HoldAsked("b", "too dear"))
        await first.see(a="held", b="held")
    for _ in range(2):
        async with run(path, spec) as further:
            await further.see(a="held", b="held")
            held = further.journal.recall("a", DOWN), further.journal.recall("b", DOWN)
            by_limit, by_hand = (value.get("by", "") for value in held if isinstance(value, dict))
            assert (by_limit, by_hand) == (LIMIT, "")


async def test_every_change_and_every_exit_is_written_down(path: str) -> None:
    spec = SupervisorSpec(children=(child("a", backoff=QUICK),), intensity=Intensity(1, 3600))
    async with run(path, spec, Script(lifetime=0.005)) as it:
        await it.see(a="held")
    reader = Reader(path)
    found = [stored.entry for stored in reader.after()]
    reader.close()

    changes = [(each.generation, each.old, each.state) for each in found if each.kind is Kind.STATE]
    assert changes[:4] == [
        (0, "stopped", "waiting"),
        (1, "waiting", "starting"),
        (1, "starting", "ready"),
        (1, "ready", "waiting"),
    ]
    assert changes[-1] == (2, "ready", "held")
    assert [(each.generation, each.how) for each in found if each.kind is Kind.EXIT] == [(1, "exited"), (2, "exited")]


# What is restored, without a tree


def past(memory: dict[Key, Plain], *named: str) -> dict[str, Restored]:
    async def make() -> dict[str, Restored]:
        found = Past(memory, TREE, named)
        return {path: one for path in paths(TREE) if (one := found.take(path))}

    return trio.run(make)


def test_paths_are_those_of_all_children() -> None:
    assert list(paths(TREE)) == ["a", "b", "team", "team/x", "team/y"]


def test_what_was_kept_down_is_told_once() -> None:
    async def main() -> None:
        found = Past({("team/x", DOWN): down("held", "why")}, TREE)
        assert found.kept == (("team/x", "held"),)
        assert found.take("team/x") == Restored("x", held="why")
        assert found.take("team/x") is None

    trio.run(main)


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ((), {"a", "team", "team/x"}),
        (("a",), {"team", "team/x"}),
        (("team",), {"a"}),
        (("team/x",), {"a"}),
        (("team/y",), {"a", "team/x"}),
        (("te",), {"a", "team", "team/x"}),
    ],
)
def test_who_is_named_is_not_kept_down_nor_the_supervisors_it_is_in(named: tuple[str, ...], left: set[str]) -> None:
    memory: dict[Key, Plain] = {(path, DOWN): down("held", "why") for path in ("a", "team", "team/x")}

    assert set(past(memory, *named)) == left


def test_a_replica_is_named_by_the_name_of_all() -> None:
    spec = SupervisorSpec(children=(child("a-1"), child("a-x")))

    async def main() -> None:
        memory: dict[Key, Plain] = {(path, DOWN): down("held", "why") for path in ("a-1", "a-x")}
        assert Past(memory, spec, ("a",)).kept == (("a-x", "held"),)

    trio.run(main)


@pytest.mark.parametrize(
    "value", [None, 1, "held", [], {}, {"state": 1, "reason": "x"}, {"state": "held"}, {"total": "many", "times": 3}]
)
def test_what_is_not_as_we_write_it_is_as_good_as_not_there(value: Plain) -> None:
    assert past({("a", DOWN): value, ("a", RESTARTS): value}) == {}


def test_a_clock_that_was_set_back_makes_no_restart_later_than_now() -> None:
    async def main() -> None:
        times: list[Plain] = [time.time() + 5000, time.time() - 10]
        found = Past({("a", RESTARTS): {"total": 2, "in_a_row": 1, "times": times}}, TREE).take("a")
        assert found is not None
        assert found.times[0] == pytest.approx(trio.current_time() - 10, abs=5)
        assert found.times[1] <= trio.current_time()
        assert (found.restarts, found.attempts) == (2, 1)

    trio.run(main)


def test_states_are_those_of_the_core() -> None:
    assert (State.HELD.value, State.STOPPED.value) == ("held", "stopped")
