"""Hooks: when they are called, that each is called by its way, and that a bad one harms nobody."""

import json
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.probes.probe_servers import Request, Site, response, serving
from tests.runtimes.process_helpers import is_alive
from trio_supervisor import (
    CallHook,
    CommandHook,
    HookCall,
    Hooks,
    SecretEnv,
    SecretHeader,
    State,
    Stream,
    Supervisor,
    WebHook,
    process,
    task,
)
from trio_supervisor.commands import Completed
from trio_supervisor.core.facts import (
    HeldByRule,
    HoldAsked,
    RemoveAsked,
    RestartAsked,
    Restored,
    ResumeAsked,
    StopAsked,
)
from trio_supervisor.core.policy import Intensity
from trio_supervisor.engine import delivery
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.delivery import Outbound
from trio_supervisor.engine.supervisor import Supervisor as Engine
from trio_supervisor.record import changed
from trio_supervisor.spec import ChildSpec, Hook, ProcessSpec, SupervisorSpec
from trio_supervisor.testing import Script, ScriptedWorld

PATIENCE = 60.0
FAILS = ["sh", "-c", "echo tok is $TOK; exit 3"]


class Noted:
    """Hooks for every edge that write down what they are called with."""

    def __init__(self, takes: float = 0.0) -> None:
        self.calls: list[HookCall] = []
        self._takes = takes

    async def __call__(self, call: HookCall) -> None:
        await trio.sleep(self._takes)
        self.calls.append(call)

    def hooks(self) -> Hooks:
        return Hooks(self, self, self, self, self, self)

    @property
    def kinds(self) -> list[str]:
        return [call.kind.value.removeprefix("on_") for call in self.calls]


@asynccontextmanager
async def scripted(world: ScriptedWorld, noted: Noted, **options: object) -> AsyncIterator[Engine]:
    child = ChildSpec("a", ProcessSpec(("a",)), hooks=noted.hooks())
    engine = Engine(SupervisorSpec((child,), **options), world.world)  # type: ignore[arg-type]
    async with engine.open():
        yield engine


def said(world: ScriptedWorld) -> list[str]:
    return [chunk.decode().strip() for _, stream, chunk in world.output if stream is Stream.SUPERVISOR]


# When


async def test_a_crash_a_restart_and_the_end_of_it_are_told(autojump_clock: MockClock) -> None:
    noted = Noted()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=5), Script()]}), noted):
        await trio.sleep(100)

    assert noted.kinds == ["ready", "failed", "restarted", "ready", "recovered", "stopped"]
    failed, recovered, stopped = noted.calls[1], noted.calls[4], noted.calls[5]
    assert (failed.reason, failed.exit, failed.generation, failed.restarts) == ("exit code 1", "exit code 1", 1, 1)
    assert (recovered.since, recovered.lasted) == (failed.since, 30.0)
    assert stopped.state == "stopped"
    assert len({call.id for call in noted.calls}) == len(noted.calls)


async def test_one_that_is_held_at_its_limit_is_given_up(autojump_clock: MockClock) -> None:
    noted = Noted()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=0.1)]}), noted, intensity=Intensity(2, 60)):
        await trio.sleep(100)

    assert noted.kinds.count("failed") == noted.kinds.count("gave_up") == 1
    assert "stopped" not in noted.kinds, "it was down already"
    assert noted.calls[-1].state == "held"


async def test_who_is_held_or_stopped_by_hand_is_no_alarm_but_by_a_rule(autojump_clock: MockClock) -> None:
    noted = Noted()
    async with scripted(ScriptedWorld(), noted) as engine:
        await trio.sleep(1)
        engine.post(HoldAsked("a"))
        await trio.sleep(1)
        assert noted.kinds == ["ready"]
        await engine.start_child(ChildSpec("b", ProcessSpec(("b",)), hooks=noted.hooks()))
        await trio.sleep(1)
        engine.post(HeldByRule("b", "over its budget"))
        await trio.sleep(1)
        assert [(call.agent, call.kind.value) for call in noted.calls[2:]] == [("b", "on_failed"), ("b", "on_gave_up")]


async def test_a_stop_by_hand_in_an_outage_ends_it_without_a_word_of_recovery(autojump_clock: MockClock) -> None:
    noted = Noted()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=1), Script()]}), noted) as engine:
        await trio.sleep(10)
        engine.post(StopAsked("a"))
        await trio.sleep(100)

    assert noted.kinds == ["ready", "failed", "restarted", "ready", "stopped"]


async def test_who_is_removed_was_stopped_and_its_hooks_are_still_called(autojump_clock: MockClock) -> None:
    noted = Noted(takes=1.0)
    async with scripted(ScriptedWorld(), noted) as engine:
        await trio.sleep(5)
        engine.post(RemoveAsked("a"))
        await trio.sleep(5)
        assert noted.kinds == ["ready", "stopped"]
        assert noted.calls[-1].state == "removed"
        await engine.start_child(ChildSpec("a", ProcessSpec(("a",)), hooks=noted.hooks()))
        await trio.sleep(5)
        assert noted.kinds == ["ready", "stopped", "ready"]


async def test_what_an_earlier_run_has_left_down_is_no_news(autojump_clock: MockClock) -> None:
    noted = Noted()
    child = ChildSpec("a", ProcessSpec(("a",)), hooks=noted.hooks())
    world = changed(ScriptedWorld().world, restored=lambda _path: Restored("a", restarts=3, held="restart limit"))
    async with Engine(SupervisorSpec((child,)), world).open() as engine:
        await trio.sleep(1)
        assert engine.children["a"].state is State.HELD
        engine.post(ResumeAsked("a"))
        await trio.sleep(1)

    assert noted.kinds == ["ready", "stopped"]


async def test_whatever_goes_wrong_in_telling_harms_nobody(autojump_clock: MockClock) -> None:
    async def run(*_: object) -> Completed:
        raise ZeroDivisionError("odd")

    scripted_world = ScriptedWorld()
    world = changed(scripted_world.world, outbound=lambda: Outbound(run, None, None))  # type: ignore[arg-type]
    child = ChildSpec("a", ProcessSpec(("a",)), hooks=Hooks(on_ready=CommandHook(("x",))))
    async with Engine(SupervisorSpec((child,)), world).open() as engine:
        await trio.sleep(1)
        assert engine.children["a"].state is State.READY

    assert said(scripted_world) == ["hook on_ready failed: ZeroDivisionError: odd"]


async def test_of_calls_that_wait_only_the_last_of_each_kind_is_kept(autojump_clock: MockClock) -> None:
    noted, world = Noted(takes=20.0), ScriptedWorld({"a": [Script(lifetime=1)] * 4 + [Script()]})
    async with scripted(world, noted):
        await trio.sleep(300)

    assert noted.kinds[:3] == ["ready", "failed", "restarted"]
    assert noted.calls[2].restarts == 4
    assert noted.calls[2].left_out == 3
    assert "hook on_restarted: 3 earlier calls left out, as those before took too long" in said(world)


async def test_a_hook_that_fails_is_told_once_until_it_works_again(autojump_clock: MockClock) -> None:
    answers = iter([True, True, False, True])

    def ready(_call: HookCall) -> None:
        if next(answers):
            raise RuntimeError("no such channel")

    world = ScriptedWorld({"a": [Script(lifetime=1)] * 3 + [Script()]})
    child = ChildSpec("a", ProcessSpec(("a",)), hooks=Hooks(on_ready=ready))
    async with Engine(SupervisorSpec((child,)), world.world).open():
        await trio.sleep(100)

    assert said(world) == ["hook on_ready raised RuntimeError: no such channel"] * 2


# Written anew


def rewritten(engine: Engine, hooks: Hooks | None) -> None:
    child = ChildSpec("a", ProcessSpec(("a",)), hooks=hooks)
    engine.change(Change(SupervisorSpec((child,)), at_once=(child,)))


async def test_hooks_that_are_written_anew_tell_the_end_of_what_has_begun_before(autojump_clock: MockClock) -> None:
    old, new = Noted(), Noted()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=5), Script()]}), old) as engine:
        await trio.sleep(10)
        assert old.kinds == ["ready", "failed", "restarted", "ready"]
        rewritten(engine, changed(new.hooks(), settle=60.0))
        await trio.sleep(40)
        assert new.kinds == [], "it settles as long as is written now"
        await trio.sleep(60)
        assert new.kinds == ["recovered"]
        engine.post(StopAsked("a"))
        await trio.sleep(1)

    assert new.kinds == ["recovered", "stopped"]
    assert new.calls[0].lasted == 60.0
    assert len(old.calls) == 4


async def test_who_has_no_hooks_any_more_is_told_to_nobody_and_may_have_some_again(autojump_clock: MockClock) -> None:
    old, new, world = Noted(), Noted(), ScriptedWorld({"a": [Script(lifetime=5), Script()]})
    async with scripted(world, old) as engine:
        await trio.sleep(10)
        rewritten(engine, None)
        await trio.sleep(100)
        engine.post(RestartAsked("a"))
        await trio.sleep(1)
        assert len(old.calls) == 4
        rewritten(engine, new.hooks())
        engine.post(RestartAsked("a"))
        await trio.sleep(100)

    assert "recovered" not in new.kinds, "of that outage it has not heard"
    assert new.kinds[-1] == "stopped"
    assert "ready" in new.kinds


async def test_calls_that_wait_go_by_what_is_written_when_it_is_their_turn(autojump_clock: MockClock) -> None:
    old, new = Noted(takes=5.0), Noted()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=1), Script()]}), old) as engine:
        await trio.sleep(3)
        rewritten(engine, new.hooks())
        await trio.sleep(10)

    assert old.kinds == ["ready"]
    assert new.kinds[:3] == ["failed", "restarted", "ready"]


async def test_one_that_hangs_ends_in_its_time_and_delays_no_restart(autojump_clock: MockClock) -> None:
    noted, world = Noted(takes=math.inf), ScriptedWorld({"a": [Script(lifetime=1), Script()]})
    async with scripted(world, noted) as engine:
        await trio.sleep(1.5)
        assert engine.children["a"].state is State.READY
        await trio.sleep(40)

    assert "hook on_ready did not end within 30 s" in said(world)


async def test_at_the_end_calls_have_two_seconds_within_the_stop_deadline(autojump_clock: MockClock) -> None:
    for deadline, left in ((30.0, 2.0), (1.0, 1.0)):
        noted, world = Noted(takes=math.inf), ScriptedWorld()
        begun = trio.current_time()
        async with scripted(world, noted, stop_deadline=deadline):
            await trio.sleep(1)

        assert trio.current_time() - begun == pytest.approx(1 + left)
        assert "hook on_ready was cut off, as its supervisor ends" in said(world)


async def test_whoever_hurries_waits_for_no_hook(autojump_clock: MockClock) -> None:
    noted, world = Noted(takes=math.inf), ScriptedWorld()
    begun = trio.current_time()
    async with scripted(world, noted) as engine:
        await trio.sleep(1)
        engine.hurry()
        engine.stop()
        await engine.wait_over()

    assert trio.current_time() - begun == pytest.approx(1)


async def test_who_waits_to_be_well_again_delays_no_end(autojump_clock: MockClock) -> None:
    noted = Noted()
    begun = trio.current_time()
    async with scripted(ScriptedWorld({"a": [Script(lifetime=1), Script()]}), noted):
        await trio.sleep(10)

    assert trio.current_time() - begun == pytest.approx(10)


# How


async def _until(path: Path, text: str) -> str:
    while not path.exists() or text not in path.read_text():
        await trio.sleep(0.02)
    return path.read_text()


def failing(hook: Hook | tuple[Hook, ...], **options: object) -> ChildSpec:
    return process("a", FAILS, restart="temporary", hooks=Hooks(on_failed=hook), **options)  # type: ignore[arg-type]


async def test_a_command_has_the_event_in_its_environment_and_on_its_input_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sekrit-value-1")
    monkeypatch.setenv("CHANNEL", "sekrit-value-2")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    script = 'cat >in; env >env; printf %s "$CHAN" >chan; pwd >done'
    hook = CommandHook(("sh", "-c", script, "{id}"), cwd=str(tmp_path), secrets={"CHAN": SecretEnv("CHANNEL")})
    with trio.fail_after(PATIENCE):
        async with Supervisor(failing(hook, secrets={"TOK": SecretEnv("KEY")})):
            assert await _until(tmp_path / "done", "\n") == f"{tmp_path}\n"

    event = json.loads((tmp_path / "in").read_text())
    variables = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert (event["hook"], event["agent"], event["state"], event["exit"]) == ("on_failed", "a", "failed", "exit code 3")
    assert event["last_lines"] == ["tok is [redacted]"]
    assert event["text"] == f"a: failed: {event['reason']}" == variables["HOOK_TEXT"]
    assert (variables["HOOK"], variables["AGENT_ID"], variables["AGENT_GENERATION"]) == ("on_failed", "a", "1")
    assert variables["HOOK_ID"] == event["id"]
    assert not {"KEY", "CHANNEL", "NOTIFY_SOCKET"} & variables.keys()
    assert (tmp_path / "chan").read_text() == "sekrit-value-2"


_BAD = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    open("pids", "a").write(f"{os.getpid()}\\n")
    time.sleep(600)
open("pids", "a").write(f"{os.getpid()}\\n")
try:
    while True:
        os.write(1, b"x" * 65536)
except OSError:
    time.sleep(600)
"""


@pytest.mark.slow
async def test_one_that_hangs_forks_and_floods_is_killed_with_all_of_it(tmp_path: Path) -> None:
    hook = CommandHook((sys.executable, "-c", _BAD), timeout=1.5, cwd=str(tmp_path))
    with trio.fail_after(PATIENCE):
        async with Supervisor(failing(hook), task("b", trio.sleep_forever)) as tree:
            while not any("hook on_failed failed: killed" in line.text for line in tree["a"].output()):
                await trio.sleep(0.05)
            assert tree["b"].state is State.READY
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]

    assert len(pids) == 2
    assert not any(map(is_alive, pids))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("./none",), "hook on_failed failed: './none'"),
        (("sh", "-c", "echo no channel >&2; exit 4"), "hook on_failed failed: exit code 4: no channel"),
        (("sh", "-c", "kill -9 $$"), "hook on_failed failed: signal 9"),
    ],
)
async def test_why_a_command_failed_is_told(command: tuple[str, ...], told: str) -> None:
    with trio.fail_after(PATIENCE):
        async with Supervisor(failing(CommandHook(command))) as tree:
            while not any(line.text.startswith(told) for line in tree["a"].output()):
                await trio.sleep(0.02)


async def test_a_webhook_is_tried_again_as_the_same_one_with_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("TOKEN", "sekrit-value-3")
    answers = iter([503, 429, 204])
    site = Site(lambda _request: response(next(answers)))
    async with serving(site) as port:
        monkeypatch.setenv("URL", f"http://127.0.0.1:{port}/alerts/sekrit")
        hook = WebHook(SecretEnv("URL"), {"Authorization": SecretHeader(SecretEnv("TOKEN"), "Bearer "), "X-A": "b"})
        with trio.fail_after(PATIENCE):
            async with Supervisor(failing(hook)) as tree:
                while len(site.requests) < 3:
                    await trio.sleep(0.01)
        told = [line.text for line in tree["a"].output() if line.stream is Stream.SUPERVISOR]

    def one(request: Request) -> tuple[object, ...]:
        names = ("authorization", "x-a", "content-type", "idempotency-key")
        return (request.method, request.path, request.body, *(request.headers[name] for name in names))

    first = one(site.requests[0])
    event = json.loads(site.requests[0].body)
    assert first[3:] == ("Bearer sekrit-value-3", "b", "application/json", event["id"])
    assert [one(request) for request in site.requests] == [first] * 3
    assert (event["hook"], event["agent"]) == ("on_failed", "a")
    assert told == []


async def test_a_webhook_that_is_refused_is_told_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(lambda _request: response(403))
    async with serving(site) as port:
        hook = WebHook(f"http://127.0.0.1:{port}/alerts/sekrit")
        with trio.fail_after(PATIENCE):
            async with Supervisor(failing((hook, hook))) as tree:
                while len(told := [line.text for line in tree["a"].output() if "hook" in line.text]) < 2:
                    await trio.sleep(0.01)

    assert len(site.requests) == 2, "to ask again would not help"
    assert told == [f"hook on_failed failed: 127.0.0.1:{port} answered HTTP 403, expected 200-299"] * 2


async def test_a_server_that_never_answers_costs_each_attempt_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)

    async def mute(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await trio.sleep_forever()

    async with serving(mute) as port:  # type: ignore[arg-type]
        with trio.fail_after(PATIENCE):
            async with Supervisor(failing(WebHook(f"http://127.0.0.1:{port}/", timeout=0.05, retry=1))) as tree:
                expected = f"hook on_failed failed: no answer of 127.0.0.1:{port} within 0.05 s, at attempt 2"
                while not any(line.text == expected for line in tree["a"].output()):
                    await trio.sleep(0.02)


async def test_functions_of_a_file_are_called_and_one_that_blocks_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / "hooks_of_a_test.py").write_text(
        "import time, trio\n"
        "called = []\n"
        "def blocks(call): time.sleep(0.3); called.append(('blocks', call.agent))\n"
        "async def waits(call): await trio.sleep(0); called.append(('waits', call.agent))\n"
    )
    path = str(tmp_path)
    hooks = (
        CallHook("hooks_of_a_test:blocks", path=path),
        CallHook("hooks_of_a_test:waits", path=path),
        CallHook("hooks_of_a_test:none", path=path),
    )
    try:
        with trio.fail_after(PATIENCE):
            async with Supervisor(failing(hooks)) as tree:
                told = "hook on_failed failed: call 'hooks_of_a_test:none' is no function"
                while not any(line.text == told for line in tree["a"].output()):
                    await trio.sleep(0.01)
                called = sys.modules["hooks_of_a_test"].called
                while len(called) < 2:
                    await trio.sleep(0.01)
        assert called == [("waits", "a"), ("blocks", "a")]
    finally:
        sys.path.remove(path)
        sys.modules.pop("hooks_of_a_test", None)


async def test_a_hundred_agents_that_fail_at_once_call_few_commands_at_a_time(tmp_path: Path) -> None:
    script = "touch on-$AGENT_ID; ls | grep -c on- >>seen; rm on-$AGENT_ID"
    hooks = Hooks(on_failed=CommandHook(("sh", "-c", script), cwd=str(tmp_path)))
    children = [process(f"a{n}", ["false"], restart="temporary", hooks=hooks) for n in range(30)]
    with trio.fail_after(PATIENCE):
        async with Supervisor(*children):
            while len(seen := (await _until(tmp_path / "seen", "\n")).split()) < 30:
                await trio.sleep(0.02)

    assert max(map(int, seen)) <= delivery.ALL_AT_ONCE
    assert os.listdir(tmp_path) == ["seen"]
