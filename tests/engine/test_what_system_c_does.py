"""What the agent orchestrator does that this project starts from ("C"), without its container backend, and each of its
faults there: numbers as in its description. Its verbs are register, start, stop, remove, get and list; here they are
the commands of a control, in the same process and through the socket alike.
"""

import os
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define

from tests.control.trees import PATIENCE, Far, Near, forever, open_control, reached, stubborn
from trio_supervisor import Idle, Lifetime, Limits, process, supervisor, task
from trio_supervisor.config.load import load_agent
from trio_supervisor.control.api import Desired, How, Snapshot, State
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.core.limits import Then
from trio_supervisor.errors import (
    ChildStartError,
    ConfigError,
    ConflictError,
    NotKilledError,
    RequestError,
    SpecError,
    UnknownAgentError,
)
from trio_supervisor.workspaces import keep_in

SLEEP = '{"command": ["sleep", "1000"]}'


@define
class Orchestrator:
    """A tree that agents are registered in."""

    local: LocalControl
    control: Near | Far
    directory: Path

    async def call(self, verb: str, *arguments: Any, **options: Any) -> Any:
        return await self.control.call(verb, *arguments, **options)

    async def get(self, agent: str) -> Snapshot:
        found = await self.control.call("agent", agent)
        assert isinstance(found, Snapshot)
        return found

    async def list(self) -> list[str]:
        return [one.agent for one in await self.control.call("snapshot")]

    async def until(self, agent: str, *states: State) -> None:
        with trio.fail_after(PATIENCE):
            while self.local.agent(agent).state not in states:
                await trio.sleep(0.005)


Open = Callable[..., AbstractAsyncContextManager[Orchestrator]]


@pytest.fixture(params=["near", "far"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one."""

    async def nothing() -> Written:
        raise AssertionError("nobody applies anything here")

    async def read(texts: Mapping[str, str]) -> dict[str, Written | ConfigError]:
        await trio.lowlevel.checkpoint()
        found: dict[str, Written | ConfigError] = {}
        for agent, text in texts.items():
            try:
                found[agent] = Written(load_agent(text, agent, directory=os.fspath(tmp_path), environ={}).spec)
            except ConfigError as error:
                found[agent] = error
        return found

    @asynccontextmanager
    async def opened(*children: Any, how: str = request.param) -> AsyncIterator[Orchestrator]:
        keep_in(tmp_path)
        async with open_control(*children) as local, reached(how, local) as control:
            local.read_by(Sources(nothing, read))
            yield Orchestrator(local, control, tmp_path)

    return opened


# Ids


@pytest.mark.parametrize("id", ["a", "Z9", "a-b", "9-", "x" * 64])
async def test_c_1_an_id_has_1_to_64_letters_digits_and_hyphens(opened: Open, id: str) -> None:
    async with opened() as it:
        await it.call("register", id, SLEEP)
        assert await it.list() == [id]


@pytest.mark.parametrize("id", ["", "x" * 65, "a.b", "a_b", "ä", "a b", "a\0", "-a", "..", "a\\b", "%2e", "~"])
async def test_c_1_and_w12_no_other_id_by_any_way_in(opened: Open, id: str) -> None:
    """C-1: 1 to 64 bytes, no `..`, `/`, `\\`. C-W12: ids may start with a hyphen."""
    async with opened() as it:
        with pytest.raises((SpecError, RequestError), match=r"must be 1 to 64 letters, digits and hyphens|agent"):
            await it.call("register", id, SLEEP)
        with pytest.raises(SpecError):
            process(id, ["true"])
        assert await it.list() == []


@pytest.mark.parametrize("path", ["../a", "/a", "a/../b", "x/y", "/etc/passwd"])
async def test_c_1_no_path_leads_out_of_the_tree(opened: Open, path: str) -> None:
    async with opened() as it:
        with pytest.raises((UnknownAgentError, SpecError)):
            await it.call("register", path, '{"command": ["true"], "workspace": true}')
        assert list(it.directory.iterdir()) == []


async def test_c_w12_ids_that_differ_only_in_case_would_share_a_directory(opened: Open) -> None:
    async with opened() as it:
        await it.call("register", "Web", SLEEP)
        with pytest.raises((SpecError, ConflictError), match="differs only in case"):
            await it.call("register", "wEB", SLEEP)
        with pytest.raises(SpecError, match="differ"):
            supervisor("team", task("a", forever), task("A", forever))


# Register


async def test_c_2_register_makes_a_workspace_and_starts_nothing(opened: Open) -> None:
    """C-2: status `Idle`, a directory of its own. C-W11: with default permissions, and in nobody's view."""
    async with opened() as it:
        text = '{"command": ["sh", "-c", "pwd; echo $AGENT_WORKSPACE; sleep 1000"], "workspace": true}'
        await it.call("register", "a", text, start=False)
        one = await it.get("a")
        assert (one.state, one.desired, one.generation) == (State.STOPPED, Desired.DOWN, 0)

        await it.call("start", "a")
        workspace = it.directory / "workspaces" / "a"
        with trio.fail_after(PATIENCE):
            while [line.text for line in await it.control.logs("a")] != [str(workspace)] * 2:
                await trio.sleep(0.01)
        for directory in (workspace.parent, workspace):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_c_2_a_second_one_of_the_same_id_is_refused_and_the_same_again_is_harmless(opened: Open) -> None:
    async with opened(task("b", forever)) as it:
        await it.call("register", "a", SLEEP)
        await it.call("register", "a", SLEEP)
        for other in ("a", "b"):
            with pytest.raises(ConflictError, match=f"^{other} is there already"):
                await it.call("register", other, '{"command": ["sleep", "1"]}')
        assert (await it.get("a")).generation == 1


async def test_c_2_all_that_is_wrong_with_it_is_said_at_once(opened: Open) -> None:
    async with opened() as it:
        with pytest.raises(ConfigError) as caught:
            await it.call("register", "a", "comand: [x]\nport: 99999999\nrestart: maybe\n")
        lines = [line for line in str(caught.value).splitlines() if line.startswith("a:")]
        assert [line.split()[0] for line in lines] == ["a:1:1:", "a:2:7:", "a:3:10:"]
        assert await it.list() == []


async def test_c_2_what_it_depends_on_is_looked_for_beside_it(opened: Open) -> None:
    async with opened(task("db", forever), supervisor("team", task("p", forever))) as it:
        await it.call("register", "team/c", '{"command": ["sleep", "9"], "depends_on": ["team/p"]}')
        assert await it.list() == ["db", "team", "team/p", "team/c"]
        with pytest.raises(SpecError, match="team/x depends on 'db', and there is no such agent beside it"):
            await it.call("register", "team/x", '{"command": ["sleep", "9"], "depends_on": ["db"]}')
        with pytest.raises(ConfigError, match="agent 'y' depends on itself"):
            await it.call("register", "y", '{"command": ["sleep", "9"], "depends_on": ["y"]}')


async def test_c_2_a_whole_supervisor_and_replicas_can_be_registered(opened: Open) -> None:
    async with opened() as it:
        await it.call("register", "team", "agents: {a: {command: [sleep, '9']}, b: {command: [sleep, '9']}}")
        await it.call("register", "web", "{command: [sleep, '9'], replicas: 2}")
        await it.call("register", "w", "{command: [sleep, '9'], depends_on: [web]}")
        assert await it.list() == ["team", "team/a", "team/b", "web-1", "web-2", "w"]


# Start and stop


async def test_c_3_a_start_that_fails_keeps_its_reason(opened: Open) -> None:
    """C-3: back to Idle, and the error is returned. C-W10: the reason is lost."""
    async with opened() as it:
        with pytest.raises(ChildStartError, match="'/no/such' does not exist"):
            await it.call("register", "a", '{"command": ["/no/such"], "restart": "temporary"}')
        one = await it.get("a")
        assert one.state is State.FAILED
        assert one.last_exit is not None
        assert one.last_exit.how is How.SPAWN_FAILED


async def test_c_3_to_start_what_runs_is_harmless_and_counts_no_restart(opened: Open) -> None:
    """C-3: refused. C-W2: the first start counts as a restart."""
    async with opened() as it:
        await it.call("register", "a", SLEEP)
        before = await it.get("a")
        await it.call("start", "a")
        after = await it.get("a")
        assert (after.generation, after.pid, after.restarts) == (1, before.pid, 0)


async def test_c_4_stop_is_legal_in_every_state_and_twice_at_once(opened: Open) -> None:
    """C-4: only from Running. Of two concurrent stops exactly one wins there; here both are true."""
    async with opened(task("a", stubborn)) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.call, "stop", "a")
            nursery.start_soon(it.call, "stop", "a")
        await it.call("stop", "a")
        assert ((await it.get("a")).state, (await it.get("a")).generation) == (State.STOPPED, 1)


async def test_c_4_w5_and_f32_a_kill_that_fails_is_no_success(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-4: logged and ignored. C-W5: the handle is lost."""
    monkeypatch.setattr("trio_supervisor.engine.stopping.KILL_PATIENCE", 0.1)
    let_go = trio.Event()

    async def deaf() -> None:
        with trio.CancelScope(shield=True):
            await let_go.wait()

    async with opened(task("a", deaf, stop=0.05)) as it:
        try:
            with pytest.raises(NotKilledError, match="it goes on"):
                await it.call("stop", "a")
            exit = (await it.get("a")).last_exit
            assert exit is not None
            assert exit.how is How.UNKILLABLE
        finally:
            let_go.set()


async def test_c_w9_a_new_life_begins_when_the_old_one_is_over(opened: Open) -> None:
    """C-W9: Idle is set before the kill; two containers share a workspace."""
    alive: list[None] = []
    most = 0

    async def one() -> None:
        nonlocal most
        alive.append(None)
        most = max(most, len(alive))
        try:
            await stubborn()
        finally:
            alive.pop()

    async with opened(task("a", one)) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.call, "restart", "a")
            await it.until("a", State.STOPPING)
            nursery.start_soon(it.call, "start", "a")
        assert ((await it.get("a")).generation, most) == (2, 1)


async def test_c_w4_who_asked_may_go_away(opened: Open) -> None:
    """C-W4: a dropped request leaves status `Starting` for ever."""
    async with opened(task("a", stubborn)) as it:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.call, "restart", "a")
            await it.until("a", State.STOPPING)
            nursery.cancel_scope.cancel()
        await it.until("a", State.READY)
        assert (await it.get("a")).generation == 2


async def test_c_w3_a_slow_one_delays_nobody(opened: Open) -> None:
    """C-W3: a lock across spawn and kill freezes list, get and start of all."""
    async with opened(task("slow", stubborn), task("b", forever)) as it, trio.open_nursery() as nursery:
        nursery.start_soon(it.call, "stop", "slow")
        await it.until("slow", State.STOPPING)
        assert await it.list() == ["slow", "b"]
        await it.call("restart", "b")
        assert (await it.get("slow")).state is State.STOPPING


async def test_c_w6_an_end_is_noticed(opened: Open) -> None:
    """C-W6: the status stays Running."""
    async with opened() as it:
        await it.call("register", "a", '{"command": ["sh", "-c", "exit 3"], "restart": "temporary"}')
        await it.until("a", State.FAILED)
        one = await it.get("a")
        assert one.last_exit is not None
        assert one.last_exit.code == 3


# Remove


@pytest.mark.parametrize("purge", [False, True])
async def test_c_5_and_w11_remove_keeps_the_workspace_unless_asked(opened: Open, purge: bool) -> None:
    """C-5: out of the map, then the kill. C-W11: the workspace is never removed."""
    async with opened(supervisor("team", task("p", forever))) as it:
        await it.call("register", "team/a", '{"command": ["sh", "-c", "echo > x; sleep 9"], "workspace": true}')
        file = it.directory / "workspaces" / "team.a" / "x"
        with trio.fail_after(PATIENCE):
            while not file.exists():
                await trio.sleep(0.01)
        pid = (await it.get("team/a")).pid
        await it.call("remove", "team", purge=purge)

        assert await it.list() == []
        assert not Path(f"/proc/{pid}").exists()
        assert file.exists() is not purge


async def test_c_5_what_is_not_there_can_not_be_removed(opened: Open) -> None:
    async with opened() as it:
        with pytest.raises(UnknownAgentError, match="there is no agent 'a'"):
            await it.call("remove", "a")


async def test_c_5_who_depends_on_what_is_removed(opened: Open) -> None:
    """Who runs goes on; who is bound ends and says why; who is to start says what is missing."""
    children = [task("a", forever), task("b", forever, depends_on=["a"])]
    async with opened(*children, task("c", forever, binds_to=["a"])) as it:
        await it.call("remove", "a", force=True)
        await it.until("c", State.FAILED)
        assert (await it.get("c")).reason == "dependency 'a' is removed"
        assert (await it.get("b")).state is State.READY
        with pytest.raises(ChildStartError, match="dependency 'a' is removed"):
            await it.call("restart", "b")
        await it.call("register", "a", SLEEP)
        await it.until("b", State.READY)


async def test_c_6_get_and_list_in_order(opened: Open) -> None:
    """C-6: unordered clones."""
    async with opened() as it:
        for id in ("z", "a", "m"):
            await it.call("register", id, SLEEP, start=False)
        assert await it.list() == ["z", "a", "m"]
        with pytest.raises(UnknownAgentError):
            await it.get("x")


# Limits


async def test_c_7_8_and_w1_the_limits_of_a_life_act(opened: Open) -> None:
    """C-7: idle for 1 h, a lifetime. C-W1: enforced by nobody, max_restarts is read by nobody."""
    idle = Limits(idle=Idle(0.2, then=Then.HOLD))
    old = Limits(lifetime=Lifetime(0.2))
    async with opened(
        process("idle", ["sleep", "9"], limits=idle),
        process("old", ["sleep", "9"], limits=old),
        process("bad", ["false"], intensity=(1, 60), backoff=None),
    ) as it:
        await it.until("idle", State.HELD)
        await it.until("bad", State.HELD)
        with trio.fail_after(PATIENCE):
            while (await it.get("old")).generation < 2:
                await trio.sleep(0.01)
        assert "idle limit" in (await it.get("idle")).reason
        assert (await it.get("old")).restarts == 0


# Workspaces


async def test_no_link_is_followed_to_a_workspace(opened: Open) -> None:
    async with opened() as it:
        outside = it.directory / "outside"
        outside.mkdir()
        (it.directory / "workspaces").mkdir(mode=0o700)
        (it.directory / "workspaces" / "a").symlink_to(outside)
        with pytest.raises(ChildStartError, match=r"workspace .*/workspaces/a: "):
            await it.call("register", "a", '{"command": ["touch", "x"], "workspace": true, "restart": "temporary"}')
        assert list(outside.iterdir()) == []
        with pytest.raises(ConflictError, match="its workspace is not"):
            await it.call("remove", "a", purge=True)
        assert outside.exists()


async def test_a_workspace_may_be_elsewhere_and_is_never_purged(opened: Open) -> None:
    async with opened() as it:
        text = '{"command": ["sh", "-c", "echo > x; sleep 9"], "workspace": "mine"}'
        await it.call("register", "a", text)
        with trio.fail_after(PATIENCE):
            while not (it.directory / "mine" / "x").exists():
                await trio.sleep(0.01)
        await it.call("remove", "a", purge=True)
        assert (it.directory / "mine" / "x").exists()
        assert stat.S_IMODE((it.directory / "mine").stat().st_mode) == 0o700


async def test_a_workspace_goes_with_no_agent_of_a_similar_name(opened: Open) -> None:
    async with opened() as it:
        for id in ("a", "a-b", "ab"):
            await it.call("register", id, '{"command": ["sleep", "9"], "workspace": true}')
        await it.call("remove", "a", purge=True)
        assert sorted(each.name for each in (it.directory / "workspaces").iterdir()) == ["a-b", "ab"]


async def test_what_was_added_comes_back_with_its_supervisor(opened: Open) -> None:
    """An inner supervisor begins each life from its spec (OTP rule 53); a person has not taken it back, though."""
    async with opened(supervisor("team", task("p", forever))) as it:
        await it.call("register", "team/a", SLEEP)
        await it.call("restart", "team")
        with trio.fail_after(PATIENCE):
            while "team/a" not in await it.list():
                await trio.sleep(0.01)
        await it.until("team/a", State.READY)
        await it.call("remove", "team/a")
        await it.call("restart", "team")
        await it.until("team", State.READY)
        assert await it.list() == ["team", "team/p"]


async def test_nothing_is_registered_in_the_end(opened: Open) -> None:
    async with opened(task("a", stubborn)) as it:
        it.local.end("it is late")
        await it.until("a", State.STOPPING)
        with pytest.raises(ConflictError, match="it is late"):
            await it.call("register", "b", SLEEP)
