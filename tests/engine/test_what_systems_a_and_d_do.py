"""What two of the four systems that this project starts from do to know how agents are, an HTTP agent process manager
("A") and a health monitor of remote coding agents ("D"), and each of their faults there: numbers as in their
descriptions. Ports, births and stops of A: tests/runtimes/test_what_system_a_does.py.
"""

import json
import os
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path

import pytest
import trio
from attrs import define, field

from tests.probes.probe_servers import Request, Site, response, serving
from trio_supervisor import (
    A2A,
    Backoff,
    ChildSpec,
    Event,
    Health,
    HookCall,
    HookKind,
    Hooks,
    Http,
    Judged,
    Judgement,
    Mcp,
    Readiness,
    SecretCommand,
    SecretEnv,
    SecretFile,
    SecretHeader,
    SpecError,
    State,
    StateChanged,
    Supervisor,
    process,
    remote,
    task,
)
from trio_supervisor.config.load import load

PATIENCE = 60.0


@define
class Agent:
    """A remote agent: answers with one status after the other, the last for ever."""

    statuses: Iterator[int]
    asked: int = 0
    requests: list[Request] = field(factory=list)

    def __call__(self, request: Request) -> bytes:
        self.asked += 1
        self.requests.append(request)
        return response(next(self.statuses), b"{}")


def answering(*statuses: int) -> Agent:
    return Agent(chain(statuses, repeat(statuses[-1])))


def quick(check: Http | A2A | Mcp, failures: int = 3, successes: int = 1) -> Health:
    return Health(check, period=0.02, timeout=5, failures=failures, successes=successes, jitter=0)


async def until(tree: Supervisor, state: State, agent: str = "a") -> None:
    """Wait until it has this state."""
    while tree[agent].state is not state:
        await tree.engine.wait_change()


async def when_asked(agent: Agent, times: int) -> None:
    while agent.asked < times:
        await trio.sleep(0.01)


def watching(port: int, health: Health, **options: object) -> ChildSpec:
    options = {"backoff": Backoff(initial=0.02, max=0.05), **options}
    return remote("a", f"http://127.0.0.1:{port}", health=health, **options)  # type: ignore[arg-type]


def edges(events: list[Event]) -> list[State]:
    return [each.notice.new for each in events if isinstance(each.notice, StateChanged)]


# A: health


async def test_a_3_a_new_agent_is_neither_healthy_nor_unhealthy_until_it_is_asked() -> None:
    """A 3: `Unknown`. Here it is running, and not ready yet."""
    silent = trio.Event()

    async def mute(stream: object) -> None:
        await silent.wait()

    async with serving(mute) as port, Supervisor(watching(port, quick(Http("/")))) as tree:
        with trio.fail_after(PATIENCE):
            await until(tree, State.RUNNING)
            assert tree.endpoints() == ()
        silent.set()


async def test_a_8_and_w19_the_card_is_asked_for_on_both_paths() -> None:
    """A 8: GET /.well-known/agent.json is ready at any 2xx. A-W19: that path only, which moved in 0.3."""
    card = {
        "name": "x",
        "description": "x",
        "version": "1",
        "capabilities": {},
        "url": "http://x/",
        "defaultInputModes": [],
        "defaultOutputModes": [],
        "skills": [],
        "protocolVersion": "0.3.0",
    }
    for path in ("/.well-known/agent-card.json", "/.well-known/agent.json"):
        site = Site(
            lambda request, path=path: (  # type: ignore[misc]
                response(200, json.dumps(card).encode()) if request.path == path else response(404)
            )
        )
        async with serving(site) as port, Supervisor(remote("a", f"http://127.0.0.1:{port}", preset="a2a")) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
                (endpoint,) = tree.endpoints()
                assert (endpoint.protocol, endpoint.card) == ("a2a", card)


async def test_a_10_and_11_three_failures_in_a_row_are_unhealthy_and_the_hook_is_called() -> None:
    """A 10, 11: failures are counted, at 3 of them `on_failure(id, reason)`."""
    called: list[HookCall] = []
    agent = answering(200, 500)
    async with serving(Site(agent)) as port:
        child = watching(port, quick(Http("/")), hooks=Hooks(on_failed=called.append))
        async with Supervisor(child) as tree:
            with trio.fail_after(PATIENCE):
                await until(tree, State.READY)
                await until(tree, State.UNHEALTHY)
                while not called:
                    await trio.sleep(0.01)

    assert (called[0].kind, called[0].agent, called[0].state) == (HookKind.FAILED, "a", "unhealthy")
    assert called[0].reason == "unhealthy: 3 failed probes in a row, the last: HTTP 500, expected 200-299"


async def test_a_w10_and_w9_the_wait_for_readiness_ends_when_the_agent_does() -> None:
    """A-W10: a child that died in 10 ms costs the whole wait. A-W9: nobody waits on the child."""
    readiness = Readiness(Http("/"), deadline=600)
    child = process("a", ["false"], port="auto", readiness=readiness, restart="temporary")
    with trio.fail_after(PATIENCE):
        async with Supervisor(child) as tree:
            assert (await tree["a"].wait_exit()).code == 1


async def test_a_w14_no_two_questions_at_once_and_one_connection_set_up_for_all() -> None:
    """A-W14: parallel checks count double; an answer for an old process is written onto a new one."""
    under_way = most = 0

    async def slow(stream: trio.SocketStream) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await stream.receive_some()
        await trio.sleep(0.05)
        await stream.send_all(response(200))
        under_way -= 1

    async with serving(slow) as port, Supervisor(watching(port, quick(Http("/")))) as tree:  # type: ignore[arg-type]
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            await trio.sleep(0.3)

    assert most == 1


async def test_a_w15_one_call_for_each_edge_and_a_hook_that_raises_harms_nobody() -> None:
    """A-W15: called again at each sweep after the third; no recovery event; a panic kills the monitor unseen."""
    called: list[str] = []

    async def failed(call: HookCall) -> None:
        called.append(call.kind.value)
        raise RuntimeError("no such channel")

    agent = answering(200, *[500] * 12, *[200] * 5, 500)
    hooks = Hooks(on_failed=failed, on_recovered=lambda call: called.append(call.kind.value), settle=0)
    async with serving(Site(agent)) as port, Supervisor(watching(port, quick(Http("/")), hooks=hooks)) as tree:
        with trio.fail_after(PATIENCE):
            await when_asked(agent, 40)
            while len(called) < 3:
                await trio.sleep(0.01)
            said = [line.text for line in tree["a"].output()]

    assert called == ["on_failed", "on_recovered", "on_failed"]
    assert "hook on_failed raised RuntimeError: no such channel" in said


async def test_a_w16_and_d_w6_agents_that_hang_hold_up_nobody_else() -> None:
    """A-W16, D-W6: checks one after the other; a hundred that hang cost 500 s of a sweep of 30."""

    async def mute(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await trio.sleep_forever()

    agent = answering(200)
    health = Health(Http("/"), period=0.05, timeout=60)
    async with serving(mute) as hangs, serving(Site(agent)) as port:  # type: ignore[arg-type]
        hanging = [remote(f"h{n}", f"http://127.0.0.1:{hangs}", health=health) for n in range(50)]
        async with Supervisor(*hanging, watching(port, quick(Http("/")))) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
                await when_asked(agent, 10)


async def test_a_w17_an_agent_that_still_starts_is_not_counted_as_failing_and_all_can_be_set() -> None:
    """A-W17: no grace at the start; threshold, path, timeout and host can't be set for each agent."""
    events: list[Event] = []
    agent = answering(*[503] * 8, 200)
    check = Http("/deep/health", status=(200,), host="127.0.0.1")
    async with serving(Site(agent)) as port:
        child = remote("a", f"http://127.0.0.1:{port}/base", readiness=Readiness(check, period=0.02, failures=1))
        async with Supervisor(child) as tree:
            stream = tree.events()
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
        async for event in stream:
            events.append(event)

    assert State.UNHEALTHY not in edges(events)
    assert {request.path for request in agent.requests} == {"/base/deep/health"}


async def test_a_w18_what_was_wrong_stays_known_after_a_restart() -> None:
    """A-W18: the history of health dies with the entry, and there is no restart at all."""
    agent = answering(200, 500, 500, 500, 200)
    async with serving(Site(agent)) as port:
        health = quick(Http(f"http://127.0.0.1:{port}/"))
        async with Supervisor(process("a", ["sleep", "600"], health=health, stop="kill")) as tree:
            with trio.fail_after(PATIENCE):
                while tree["a"].snapshot().generation < 2:
                    await tree.engine.wait_change()
                await until(tree, State.READY)
            assert tree["a"].snapshot().restarts == 1
            assert tree["a"].snapshot().last_exit is not None
            assert "unhealthy: 3 failed probes" in tree.engine.children["a"].restart_reason


async def test_a_w20_an_agent_that_was_unhealthy_can_be_stopped_started_and_removed() -> None:
    """A-W20: after a failed health check start says "already running", stop is refused, delete leaves an orphan."""
    agent = answering(200, 500)
    async with serving(Site(agent)) as port, Supervisor(watching(port, quick(Http("/")))) as tree:
        with trio.fail_after(PATIENCE):
            await until(tree, State.UNHEALTHY)
            await tree["a"].stop()
            assert tree["a"].state is State.STOPPED
            asked = agent.asked
            await trio.sleep(0.1)
            assert agent.asked == asked, "to stop is to end the watching"

            agent.statuses = repeat(200)
            await tree["a"].restart()
            await tree["a"].wait_ready()
            await tree["a"].hold("maintenance")
            assert (tree["a"].state, tree["a"].snapshot().reason) == (State.HELD, "maintenance")
            handle = tree["a"]
            await handle.remove()
            assert handle.state is State.REMOVED


# D: remote agents


async def test_d_1_to_4_an_agent_is_watched_and_connected_when_it_answers() -> None:
    """D 1-4: each 30 s a GET; reachable is `Connected`. Start and stop are the begin and the end of watching."""
    agent = answering(200)
    async with serving(Site(agent)) as port:
        async with Supervisor(watching(port, quick(Http("/")))) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
            shown = tree["a"].snapshot()
            assert (shown.state, shown.pid, shown.port, shown.failing_since) == (State.READY, None, None, None)
        asked = agent.asked
        await trio.sleep(0.1)

    assert agent.asked == asked


async def test_d_5_and_w2_one_miss_takes_nobody_out_and_the_threshold_means_what_it_says() -> None:
    """D 5, D-W2: the first failure is Disconnected, and tasks are refused; one success clears an error."""
    events: list[Event] = []
    agent = answering(*[200, 500, 500] * 10, 500, 200, 500, 200, 200)
    async with serving(Site(agent)) as port:
        async with Supervisor(watching(port, quick(Http("/"), failures=3, successes=2))) as tree:
            stream = tree.events()
            with trio.fail_after(PATIENCE):
                await when_asked(agent, 29)
                assert tree["a"].state in (State.READY, State.UNHEALTHY, State.RUNNING)
                await when_asked(agent, 40)
        async for event in stream:
            events.append(event)

    # `successes: 2`: a single success among failures confirms nothing, neither at first nor later.
    assert edges(events).count(State.READY) <= 2


async def test_d_w2_with_one_success_asked_for_two_misses_between_are_forgiven() -> None:
    agent = answering(*[200, 500, 500] * 10, 200)
    async with serving(Site(agent)) as port, Supervisor(watching(port, quick(Http("/")))) as tree:
        stream = tree.events()
        with trio.fail_after(PATIENCE):
            await when_asked(agent, 32)
    states = edges([event async for event in stream])

    assert State.UNHEALTHY not in states
    assert states.count(State.READY) == 1


async def test_d_6_only_changes_are_told() -> None:
    """D 6: a status event only on change."""
    agent = answering(*[200] * 20, *[500] * 20, 200)
    async with serving(Site(agent)) as port:
        async with Supervisor(watching(port, quick(Http("/")))) as tree:
            stream = tree.events()
            with trio.fail_after(PATIENCE):
                await when_asked(agent, 45)
                await until(tree, State.READY)
        events = [event async for event in stream]

    told = [event.notice for event in events if isinstance(event.notice, StateChanged | Judged)]
    words = [each.new.value if isinstance(each, StateChanged) else each.judgement.value for each in told]
    lived = words[words.index("ready") : words.index("stopping")]
    # The judgement of its probe, and the state that follows from it.
    assert lived == ["ready", "suspect", "unhealthy", "unhealthy", "recovered", "ready"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "HTTP 500, expected 200-299"),
        (404, "HTTP 404, expected 200-299"),
        (401, "HTTP 401: it is there, but refuses us (unauthorized)"),
        (403, "HTTP 403: it is there, but refuses us (forbidden)"),
        (502, "HTTP 502, expected 200-299"),
    ],
)
async def test_d_w1_not_any_answer_is_healthy_and_each_has_its_reason(status: int, reason: str) -> None:
    """D-W1: any HTTP answer counts as healthy, 500, 404 and 401 included; latency is thrown away."""
    agent = answering(200, 200, status)
    async with serving(Site(agent)) as port, Supervisor(watching(port, quick(Http("/")))) as tree:
        with trio.fail_after(PATIENCE):
            await until(tree, State.READY)
            assert " in " in tree["a"].snapshot().reason, "how long it took"
            await until(tree, State.UNHEALTHY)
            assert tree["a"].snapshot().reason.endswith(reason)


async def test_d_w3_it_is_reconnected_by_itself_and_no_reconnect_is_a_restart() -> None:
    """D-W3: the header promises reconnection, and there is none."""
    agent = answering(*[200, 500, 500, 500] * 12, 200)
    async with serving(Site(agent)) as port:
        child = watching(port, quick(Http("/")))
        async with Supervisor(child, intensity=(0, 60), at_limit="escalate") as tree:
            stream = tree.events()
            with trio.fail_after(PATIENCE):
                await when_asked(agent, 50)
                await until(tree, State.READY)
            shown = tree["a"].snapshot()
    states = edges([event async for event in stream])

    assert states.count(State.UNHEALTHY) >= 10
    assert (shown.restarts, shown.generation) == (0, 1)


async def test_d_w3_the_pauses_of_reconnects_grow(autojump_clock: trio.testing.MockClock) -> None:
    from trio_supervisor.core.policy import Backoff  # noqa: PLC0415
    from trio_supervisor.engine.pace import Pace  # noqa: PLC0415

    pace = Pace(Backoff(jitter=0), lambda: 0.5)
    pace.set(lost=True)
    waited: list[float] = []
    for _ in range(9):
        begun = trio.current_time()
        await pace.wait(begun, begun + 5)
        waited.append(round(trio.current_time() - begun, 6))
    pace.succeeded()
    begun = trio.current_time()
    await pace.wait(begun, begun + 5)
    again = trio.current_time() - begun
    pace.set(lost=False)
    begun = trio.current_time()
    await pace.wait(begun, begun + 5)

    assert waited == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert again == pytest.approx(0.5)
    assert trio.current_time() - begun == pytest.approx(5), "there again: its period"


async def test_d_w3_who_is_lost_while_its_pause_is_under_way_is_asked_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    from trio_supervisor.core.policy import Backoff  # noqa: PLC0415
    from trio_supervisor.engine.pace import Pace  # noqa: PLC0415

    pace = Pace(Backoff(initial=0), lambda: 0.5)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.wait, begun, begun + 30)
        await trio.sleep(3)
        pace.set(lost=True)
    assert trio.current_time() - begun == pytest.approx(3)
    begun = trio.current_time()
    await pace.wait(begun, begun + 30)
    assert trio.current_time() - begun == pytest.approx(0.1), "never without a pause"


async def test_d_w4_agents_of_every_kind_are_watched_by_one_loop() -> None:
    """D-W4: agents on stdio are monitored by nobody."""
    agent = answering(200)

    async def worker() -> None:
        await trio.sleep_forever()

    async with serving(Site(agent)) as port:
        url = f"http://127.0.0.1:{port}/"
        children = (
            watching(port, quick(Http("/"))),
            process("p", ["sleep", "600"], health=quick(Http(url)), stop="kill"),
            process("stdio", ["cat"], stdin="pipe", health=quick(Http(url)), stop="kill"),
            task("t", worker, health=quick(Http(url))),
        )
        async with Supervisor(*children) as tree:
            with trio.fail_after(PATIENCE):
                for child in children:
                    await tree[child.id].wait_ready()
                await when_asked(agent, 12)
                agent.statuses = repeat(500)
                for id in ("p", "stdio", "t"):
                    while tree[id].snapshot().restarts == 0:
                        await tree.engine.wait_change()
                await until(tree, State.UNHEALTHY)
                assert tree["a"].snapshot().restarts == 0


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_d_w5_there_is_one_address_and_every_transport_is_asked(scheme: str) -> None:
    """D-W5: only the legacy field `endpoint` is probed, so agents of `transport: Http` are skipped."""
    agent = answering(200)
    async with serving(Site(agent)) as port:
        child = remote("a", f"{scheme}://127.0.0.1:{port}/acp", health=quick(Http("/health")))
        async with Supervisor(child) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
                (endpoint,) = tree.endpoints()

    assert agent.requests[0].path == "/acp/health"
    assert (endpoint.url, endpoint.port) == (f"{scheme}://127.0.0.1:{port}/acp", port)


async def test_d_w7_the_watching_ends_with_the_child_and_no_answer_counts_after_that() -> None:
    """D-W7: decisions on a stale copy; the monitor goes on when nobody holds its handle."""
    release = trio.Event()

    async def late(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await release.wait()
        await stream.send_all(response(500))

    async with (
        serving(late) as port,  # type: ignore[arg-type]
        Supervisor(watching(port, quick(Http("/"), failures=1))) as tree,
    ):
        with trio.fail_after(PATIENCE):
            await until(tree, State.RUNNING)
            await tree["a"].stop()
            release.set()
            await trio.sleep(0.05)
        assert tree["a"].state is State.STOPPED


async def test_d_w8_since_when_it_is_down_is_the_first_failure_not_the_last_change() -> None:
    """D-W8: `since` is overwritten at the second edge, so that the start of the outage is lost."""
    agent = answering(200, 500)
    calls: list[HookCall] = []
    health = Health(Http("/"), period=0.1, timeout=5, failures=3, jitter=0)
    hooks = Hooks(on_failed=calls.append)
    async with serving(Site(agent)) as port, Supervisor(watching(port, health, hooks=hooks)) as tree:
        stream = tree.events()
        with trio.fail_after(PATIENCE):
            await until(tree, State.UNHEALTHY)
            shown = tree["a"].snapshot()
            await when_asked(agent, 8)
            later = tree["a"].snapshot()
    judged = [event.notice for event in [e async for e in stream] if isinstance(event.notice, Judged)]
    suspect = next(each for each in judged if each.judgement is Judgement.SUSPECT)
    lost = next(each for each in judged if each.judgement is Judgement.UNHEALTHY)

    assert lost.since == suspect.since == calls[0].since
    assert shown.failing_since is not None
    assert later.failing_since == pytest.approx(shown.failing_since, abs=0.05)
    assert shown.since - shown.failing_since > 0.1, "since two of its periods"


def test_d_w9_all_of_it_is_read_from_the_file(tmp_path: Path) -> None:
    """D-W9: interval and threshold are not read from the file."""
    (tmp_path / "supervisor.yaml").write_text(
        "agents: {a: {remote: 'https://x.example/a', headers: {Authorization: {env: T, prefix: 'Bearer '}, X-A: b},"
        " backoff: {max: 1m},"
        " health: {http: /h, period: 7s, timeout: 3s, failures: 4, successes: 2, jitter: 0.3, initial_delay: 1s}}}\n"
    )

    (child,) = load(tmp_path / "supervisor.yaml", environ={}).spec.children

    assert child == remote(
        "a",
        "https://x.example/a",
        headers={"Authorization": SecretHeader(SecretEnv("T"), "Bearer "), "X-A": "b"},
        backoff=child.backoff,
        health=Health(Http("/h"), 7.0, 3.0, 4, 2, 1.0, 0.3),
    )
    assert child.backoff is not None
    assert child.backoff.max == 60


# Headers that are secrets


async def test_a_header_may_be_a_secret_which_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "token-of-the-judge")
    (tmp_path / "key").write_text("key-out-of-a-file\n")
    agent = answering(200)
    headers: Mapping[str, str | SecretHeader] = {
        "Authorization": SecretHeader(SecretEnv("JUDGE_TOKEN"), "Bearer "),
        "X-Key": SecretHeader(SecretFile(str(tmp_path / "key"))),
        "X-Said": SecretHeader(SecretCommand(("printf", "said-by-a-command"))),
        "X-Plain": "plain",
    }
    async with serving(Site(agent)) as port:
        child = remote(
            "a", f"http://127.0.0.1:{port}", headers=headers, health=quick(Http("/", headers={"x-plain": "own"}))
        )
        async with Supervisor(
            child, process("env", ["sh", "-c", "echo ${JUDGE_TOKEN-unset}; sleep 600"], stop="kill")
        ) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
                while not (said := [line.text for line in tree["env"].output()]):
                    await trio.sleep(0.01)
            life = tree.engine.life("a")
            shown = repr((tree.snapshot(), tree.endpoints(), life and getattr(life.life, "address", None)))

    sent = agent.requests[0].headers
    assert (sent["authorization"], sent["x-key"]) == ("Bearer token-of-the-judge", "key-out-of-a-file")
    assert (sent["x-said"], sent["x-plain"]) == ("said-by-a-command", "own")
    assert said == ["unset"], "no child inherits what is a secret of another one"
    assert "token-of" not in shown


async def test_no_header_goes_to_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "token-of-the-judge")
    agent = answering(200)
    headers = {"Authorization": SecretHeader(SecretEnv("JUDGE_TOKEN"))}
    async with serving(Site(agent)) as port:
        health = quick(Http(f"http://127.0.0.1:{port}/status"))
        async with Supervisor(remote("a", "https://agents.example/judge", headers=headers, health=health)) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()

    assert "authorization" not in agent.requests[0].headers


async def test_a_secret_that_is_not_there_is_a_failed_start_with_its_reason() -> None:
    os.environ.pop("NO_SUCH_TOKEN", None)
    headers = {"Authorization": SecretHeader(SecretEnv("NO_SUCH_TOKEN"))}
    child = remote("a", "http://127.0.0.1:1", headers=headers, health=quick(Http("/")), restart="temporary")
    async with Supervisor(child) as tree:
        with trio.fail_after(PATIENCE):
            await until(tree, State.FAILED)
        assert "NO_SUCH_TOKEN is not set" in tree["a"].snapshot().reason


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x", "must be a URL of http://, https://, ws:// or wss://"),
        ("agents.example", "must be a URL of"),
        ("https://u:p@x/", "write a header"),
        ("https://x/?a=b", "can't have a query"),
        ("http://127.0.0.1:{port}/", "must be a URL of"),
        ("https://x:0/", "remote 'https://x:0/'"),
    ],
)
def test_an_address_that_can_not_be_right_is_refused(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("?", r"\?")):
        remote("a", url, preset="a2a")


def test_a_remote_that_is_asked_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="a remote needs readiness or health"):
        remote("a", "https://x")
    with pytest.raises(SpecError, match="port is for children that run here"):
        remote("a", "https://x", preset="a2a", port=1)
