"""One life in a container, with an engine that does what the test says: faults, losses, slowness."""

import math
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.containers.helpers import ended, life_of, live, runtime_of, scripted_spec
from tests.containers.scripted import ScriptedEngine
from tests.runtimes.contract import Heard
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import ProbeError, SpecError, StartError, StepError
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container import ContainerLife, ContainerRuntime, address
from trio_supervisor.runtimes.container.engine import EngineError, Phase
from trio_supervisor.spec import (
    ChildSpec,
    CloseStdinStep,
    ContainerPolicy,
    ContainerSpec,
    Limits,
    Pull,
    SecretFile,
    SendStep,
    SignalStep,
    Stdin,
)
from trio_supervisor.spec.process import UNLIMITED

BROKEN = EngineError("the engine has stumbled", 500)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


async def started(life: ContainerLife) -> ContainerLife:
    with trio.fail_after(5):
        await life.start()
    return life


async def asleep(engine: ScriptedEngine, **more: object) -> tuple[ContainerLife, Heard]:
    """The life of one that sleeps, started."""
    life, heard = life_of(scripted_spec("sleep", **more), engine)
    return await started(life), heard


class Awaited:
    """A life whose end is waited for, as the engine of a tree does."""

    def __init__(self, life: ContainerLife) -> None:
        self.exit: Exit | None = None
        self._life = life

    async def wait(self) -> None:
        self.exit = await self._life.wait()


@asynccontextmanager
async def awaited(life: ContainerLife, within: float = math.inf) -> AsyncIterator[Awaited]:
    """Its end is waited for from the beginning of the block on; at most `within` seconds after the block."""
    one = Awaited(life)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.wait)
        yield one
        nursery.cancel_scope.deadline = trio.current_time() + within


# Starting


async def test_labels_say_whose_it_is_and_the_name_is_its_own(engine: ScriptedEngine) -> None:
    runtime = runtime_of(scripted_spec("sleep"), engine)
    heard = Heard()
    first, second = (runtime.life(heard.launch("team/box", generation)) for generation in (1, 2))

    await started(first)
    labels = engine.only.plan.form["Labels"]

    assert isinstance(labels, dict)
    assert labels["trio-supervisor.agent"] == "team/box"
    assert labels["trio-supervisor.generation"] == "1"
    assert labels["trio-supervisor.instance"] in engine.only.plan.name
    assert first.name != second.name
    await ended(first)


@pytest.mark.parametrize("verb", ["create", "Attach", "start"])
async def test_a_start_that_fails_leaves_no_container_and_says_why(engine: ScriptedEngine, verb: str) -> None:
    engine.failing[verb] = BROKEN
    life, _ = life_of(scripted_spec("sleep"), engine)

    with pytest.raises(StartError, match="stumbled"):
        await life.start()

    assert engine.containers == {}
    assert life.pid is None


async def test_a_start_waits_for_an_engine_that_is_away(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    engine.failing["look"] = EngineError("unix:///scripted: no engine answers", reached=False, away=True)
    heard = Heard()
    told: list[Mapping[str, str]] = []
    runtime = runtime_of(scripted_spec("true"), engine)
    life = runtime.life(changed(heard.launch(), notified=told.append))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.start)
        await trio.sleep(1000)
        assert not engine.asked["create"]
        status = "waits for its container engine: unix:///scripted: no engine answers; start that engine, or correct"
        assert {each["STATUS"] for each in told} == {f"{status} `container: {{engine: ...}}`"}
        engine.failing.clear()

    assert (await life.wait()).clean
    # A status is told to people by itself, and once.
    assert heard.said(Stream.SUPERVISOR) == b""
    assert told[-1]["STATUS"] == ""


async def test_who_waits_for_an_engine_can_be_stopped(autojump_clock: MockClock) -> None:
    told: list[Mapping[str, str]] = []
    launch = changed(Heard().launch(), notified=told.append)
    life, _ = life_of(ContainerSpec("bb:1", engine="unix:///no/such/engine.sock"), launch=launch)

    with trio.move_on_after(30):
        await life.start()

    assert await ended(life) == Exit(How.CANCELLED)
    assert "unix:///no/such/engine.sock: no engine answers: No such file" in told[-1]["STATUS"]


async def test_where_no_engine_is_found_one_is_waited_for(
    engine: ScriptedEngine, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("CONTAINER_HOST", raising=False)
    monkeypatch.setattr(address, "_USUAL", (f"{tmp_path}/engine.sock",))
    life, _ = life_of(ContainerSpec("bb:1", ("true",)), engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.start)
        await trio.sleep(100)
        assert not engine.asked["create"]
        (tmp_path / "engine.sock").touch()

    assert (await life.wait()).clean


async def test_an_engine_that_must_not_be_asked_fails_a_start(engine: ScriptedEngine) -> None:
    for verb in ("look", "create"):
        engine.failing[verb] = EngineError("unix:///scripted: no engine answers: Permission denied", reached=False)
    life, _ = life_of(scripted_spec("true"), engine)

    with pytest.raises(StartError, match="Permission denied"):
        await life.start()


async def test_without_any_engine_a_start_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    life, _ = life_of(ContainerSpec("bb:1"))

    with pytest.raises(StartError, match=r"DOCKER_HOST is 'ssh://elsewhere': only unix:///path and tcp://"):
        await life.start()


@pytest.mark.parametrize(
    ("pull", "there", "fetched"),
    [(Pull.NEVER, True, 0), (Pull.MISSING, True, 0), (Pull.MISSING, False, 1), (Pull.ALWAYS, True, 1)],
)
async def test_an_image_is_fetched_when_it_is_to_be(pull: Pull, there: bool, fetched: int) -> None:
    engine = ScriptedEngine(images=("bb:1",) if there else (), registry=("bb:1",))
    heard = Heard()
    told: list[Mapping[str, str]] = []
    life, _ = life_of(scripted_spec("true", pull=pull), engine, launch=changed(heard.launch(), notified=told.append))

    assert (await live(life)).clean

    assert engine.asked["Fetch"] == fetched
    assert [each["STATUS"] for each in told] == ["fetches image bb:1", ""] * fetched
    assert (b"image bb:1 was fetched in " in heard.said(Stream.SUPERVISOR)) == bool(fetched)


async def test_an_image_that_is_not_there_and_not_to_be_fetched_says_what_would_help() -> None:
    life, _ = life_of(scripted_spec("true", pull=Pull.NEVER), ScriptedEngine(images=()))

    with pytest.raises(StartError, match="no such image: bb:1; `pull: never` keeps it from being fetched"):
        await life.start()


async def test_an_image_that_can_not_be_fetched_fails_the_start(engine: ScriptedEngine) -> None:
    engine.images.clear()
    life, _ = life_of(scripted_spec("true"), engine)

    with pytest.raises(StartError, match="image bb:1 can't be fetched: pull access denied for bb:1"):
        await life.start()


async def test_a_kill_breaks_off_what_is_being_fetched(engine: ScriptedEngine) -> None:
    engine.images.clear()
    engine.hanging.add("Fetch")
    life, _ = life_of(scripted_spec("true"), engine)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail_to_start, life)
            await wait_all_tasks_blocked()
            life.kill()

    assert engine.containers == {}


async def _fail_to_start(life: ContainerLife) -> None:
    with pytest.raises(StartError, match="killed"):
        await life.start()


async def test_one_that_is_made_while_its_start_is_cancelled_is_found_and_removed(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    engine.hanging.add("create")
    life, _ = life_of(scripted_spec("sleep"), engine)
    with trio.move_on_after(1):
        await life.start()
    life.kill()

    async with awaited(life) as waiting:
        await trio.sleep(1)
        # The engine has done it after all.
        engine.release()

    assert waiting.exit == Exit(How.CANCELLED)
    assert engine.containers == {}


# Ends


@pytest.mark.parametrize(
    ("code", "out_of_memory", "expected"),
    [
        (0, False, Exit(How.EXITED, code=0)),
        (7, False, Exit(How.EXITED, code=7)),
        (139, False, Exit(How.SIGNALED, code=139, signal=11)),
        (137, True, Exit(How.OUT_OF_MEMORY, code=137, signal=9, detail="its limit of 64M")),
        (1, True, Exit(How.EXITED, code=1, detail="memory ran out for one of its processes")),
        (
            137,
            False,
            Exit(
                How.OUT_OF_MEMORY,
                code=137,
                signal=9,
                detail="its limit of 64M, most likely: its engine does not tell",
            ),
        ),
    ],
)
async def test_the_exit_has_code_signal_and_memory(
    engine: ScriptedEngine, code: int, out_of_memory: bool, expected: Exit
) -> None:
    life, _ = await asleep(engine, memory=64 << 20)

    engine.end(life.name, code, out_of_memory=out_of_memory)

    assert await life.wait() == expected
    assert engine.containers == {}


async def test_a_kill_of_ours_is_no_lack_of_memory(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine, memory=64 << 20)

    assert (await ended(life)).how is How.SIGNALED


@pytest.mark.parametrize("way", ["signal", "step"])
async def test_a_kill_that_somebody_asked_for_is_no_lack_of_memory(engine: ScriptedEngine, way: str) -> None:
    life, _ = await asleep(engine, memory=64 << 20)

    if way == "signal":
        await life.signal(signal.SIGKILL)
    else:
        await life.ask(SignalStep(signal.SIGKILL, wait=1))

    assert await life.wait() == Exit(How.SIGNALED, code=137, signal=9)


async def test_an_engine_that_knows_when_memory_ran_out_is_believed(engine: ScriptedEngine) -> None:
    engine.tells_memory = True
    life, _ = await asleep(engine, memory=64 << 20)

    engine.end(life.name, 137)

    assert await life.wait() == Exit(How.SIGNALED, code=137, signal=9)


async def test_who_removes_it_ends_it(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine)
    async with awaited(life) as waiting:
        await wait_all_tasks_blocked()
        del engine.containers[life.name]
        engine.lose()

    assert waiting.exit == Exit(How.KILLED, detail="its container was removed by somebody else")


async def test_a_kill_that_fails_is_no_success_and_is_tried_again(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    runtime = runtime_of(scripted_spec("sleep"), engine)
    heard = Heard()
    gone = trio.Event()
    life = await started(runtime.life(changed(heard.launch(), remains_gone=gone.set)))
    engine.failing["signal"] = BROKEN

    life.kill()
    exit = await life.wait()

    assert exit.how is How.UNKILLABLE
    assert exit.detail == f"container {life.name}: the engine has stumbled"
    assert b"its engine can't be asked: the engine has stumbled; it is tried again" in heard.said(Stream.SUPERVISOR)
    # A child has one life at a time.
    assert not gone.is_set()
    with pytest.raises(StartError, match="of a life before can't be removed yet"):
        await runtime.life(heard.launch(generation=2)).start()
    del engine.failing["signal"]
    await trio.sleep(60)
    assert engine.containers == {}
    assert gone.is_set()
    assert b"is gone now" in heard.said(Stream.SUPERVISOR)
    assert (await ended(await started(runtime.life(heard.launch(generation=3))))).how is How.SIGNALED


async def test_a_removal_that_fails_is_tried_again(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    life, heard = life_of(scripted_spec("true"), engine)
    engine.failing["remove"] = BROKEN

    assert (await live_slowly(life)).clean

    assert b"can't be removed" in heard.said(Stream.SUPERVISOR)
    assert len(engine.containers) == 1
    engine.failing.clear()
    await trio.sleep(60)
    assert engine.containers == {}


async def live_slowly(life: ContainerLife) -> Exit:
    await life.start()
    return await life.wait()


# Engines that come and go


async def test_lost_streams_are_opened_again_and_end_nothing(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    life, heard = await asleep(engine)
    async with awaited(life) as waiting:
        for round in range(3):
            engine.lose()
            await trio.sleep(10)
            engine.say(life.name, Stream.STDOUT, b"round %d\n" % round)
        await trio.sleep(1)
        assert waiting.exit is None
        engine.end(life.name, 3)

    assert waiting.exit == Exit(How.EXITED, code=3)
    assert all(b"round %d\n" % round in heard.said() for round in range(3))
    assert heard.ends() == {Stream.STDOUT: 1, Stream.STDERR: 1}


async def test_an_end_during_a_restart_of_the_engine_is_found_afterwards(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, heard = await asleep(engine)
    engine.say(life.name, Stream.STDOUT, b"begin\n")
    async with awaited(life) as waiting:
        engine.quiet = True
        engine.go_away("connection refused")
        await trio.sleep(30)
        assert waiting.exit is None
        engine.say(life.name, Stream.STDOUT, b"last words\n")
        engine.say(life.name, Stream.STDERR, b"and a complaint\n")
        engine.containers[life.name].phase, engine.containers[life.name].code = Phase.OVER, 5
        engine.failing.clear()

    assert waiting.exit == Exit(How.EXITED, code=5)
    assert (heard.said(), heard.said(Stream.STDERR)) == (b"begin\nlast words\n", b"and a complaint\n")
    said = heard.said(Stream.SUPERVISOR)
    assert said.count(b"its engine can't be asked: connection refused; it is tried again") == 1
    assert engine.containers == {}


@pytest.mark.parametrize("stdin", [Stdin.NULL, Stdin.PIPE])
async def test_what_is_said_around_lost_connections_is_heard_once_and_in_order(
    engine: ScriptedEngine, autojump_clock: MockClock, stdin: Stdin
) -> None:
    life, heard = await asleep(engine, stdin=stdin)
    said = b""
    async with awaited(life):
        for number in range(400):
            if number % 100 == 50:
                engine.lose()
            line = b"line %d\n" % number
            said += line
            for part in (line[:3], line[3:]):
                engine.say(life.name, Stream.STDOUT, part)
                await trio.sleep(0.01)
        await trio.sleep(5)
        assert heard.said() == said
        engine.say(life.name, Stream.STDOUT, b"end without a newline")
        engine.end(life.name, 0)

    assert heard.said() == said + b"end without a newline"


async def test_a_log_that_began_anew_is_heard_from_what_was_heard_last(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, heard = await asleep(engine)
    one = engine.only
    async with awaited(life):
        for number in range(100):
            engine.say(life.name, Stream.STDOUT, b"line %d\n" % number)
        await trio.sleep(1)
        for first in (60, 110):
            engine.lose()
            one.dropped = first
            for _ in range(20):
                engine.say(life.name, Stream.STDOUT, b"line %d\n" % len(one.said))
            await trio.sleep(5)
        engine.end(life.name, 0)

    assert heard.said() == b"".join(b"line %d\n" % number for number in range(140))


async def test_last_words_over_a_connection_that_fell_silent_are_read_from_the_log(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, heard = await asleep(engine)
    engine.say(life.name, Stream.STDOUT, b"begin\n")
    async with awaited(life) as waiting:
        await trio.sleep(1)
        engine.only.ears.clear()
        engine.say(life.name, Stream.STDOUT, b"last words\n")
        engine.end(life.name, 4)

    assert waiting.exit == Exit(How.EXITED, code=4)
    assert heard.said() == b"begin\nlast words\n"


async def test_an_end_that_no_event_tells_is_seen_by_the_end_of_what_is_said(engine: ScriptedEngine) -> None:
    engine.quiet = True
    life, _ = await asleep(engine)

    engine.end(life.name, 0)

    with trio.fail_after(5):
        assert (await life.wait()).clean


@pytest.mark.parametrize(("init", "advised"), [(False, True), (True, False)])
async def test_who_can_not_hear_the_signal_of_its_stop_is_told_what_would_help(
    engine: ScriptedEngine, sleeper: "subprocess.Popen[bytes]", init: bool, advised: bool
) -> None:
    engine.process = (sleeper.pid, Path(f"/proc/{sleeper.pid}/cgroup").read_text())
    life, heard = life_of(scripted_spec("sleep", init=init), engine)
    await started(life)
    await life.ask(SignalStep())
    said = b"SIGTERM can't end it: it has no handler for that"
    assert (said in heard.said(Stream.SUPERVISOR)) == advised
    assert (b"write `init: true`" in heard.said(Stream.SUPERVISOR)) == advised
    sleeper.kill()
    await ended(life)


async def test_an_end_that_the_engine_never_notices_is_an_end(
    engine: ScriptedEngine, autojump_clock: MockClock, sleeper: "subprocess.Popen[bytes]"
) -> None:
    engine.process = (sleeper.pid, Path(f"/proc/{sleeper.pid}/cgroup").read_text())
    life, _ = await asleep(engine)
    assert life.pid == sleeper.pid
    await wait_all_tasks_blocked()
    sleeper.kill()
    sleeper.wait()
    async with awaited(life, within=10) as waiting:
        await trio.sleep(2)
        assert waiting.exit is None

    assert waiting.exit == Exit(How.KILLED, detail="its first process has ended, and its engine can't say how")
    assert engine.containers == {}


async def test_over_a_network_it_is_looked_at_although_nothing_is_heard(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, heard = life_of(ContainerSpec("bb:1", ("sleep",), engine="tcp://scripted:2375"), engine)
    await started(life)
    async with awaited(life, within=15) as waiting:
        await trio.sleep(100)
        engine.quiet = True
        engine.only.ears.clear()
        engine.say(life.name, Stream.STDOUT, b"last words\n")
        engine.end(life.name, 3)

    assert waiting.exit == Exit(How.EXITED, code=3)
    assert heard.said() == b"last words\n"


async def test_a_kill_that_no_engine_hears_is_told_before_the_tree_gives_up(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, _ = await asleep(engine)
    async with awaited(life) as waiting:
        engine.go_away("no engine answers")
        await trio.sleep(60)
        life.kill()
        await trio.sleep(9.5)
        assert waiting.exit == Exit(How.UNKILLABLE, detail=f"container {life.name}: no engine answers")
        engine.failing.clear()


async def test_nothing_is_asked_while_nothing_happens(engine: ScriptedEngine, autojump_clock: MockClock) -> None:
    life, _ = await asleep(engine)
    async with awaited(life):
        await trio.sleep(1)
        before = engine.asked.total()
        await trio.sleep(3600)
        assert engine.asked.total() == before
        life.kill()


async def test_a_slow_engine_delays_nobody_else(engine: ScriptedEngine) -> None:
    slow = ScriptedEngine()
    slow.hanging.add("create")
    hanging, _ = life_of(scripted_spec("sleep"), slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hanging.start)
        await wait_all_tasks_blocked()

        assert (await live(life_of(scripted_spec("true"), engine)[0])).clean

        nursery.cancel_scope.cancel()
    slow.release()
    assert (await ended(hanging)).how is How.CANCELLED


async def test_one_stream_of_events_serves_all_lives_and_ends_with_the_last(engine: ScriptedEngine) -> None:
    runtime = runtime_of(scripted_spec("sleep"), engine)
    lives = [await started(runtime.life(Heard().launch(f"a{number}"))) for number in range(3)]

    assert engine.asked["Watch"] == 1
    for life in lives:
        await ended(life)
    await wait_all_tasks_blocked()
    assert engine.talks == set()


# Asking


@pytest.mark.parametrize(
    ("stop_signal", "step", "sent"),
    [
        (None, SignalStep(wait=1), signal.SIGTERM),
        (signal.SIGQUIT, SignalStep(wait=1), signal.SIGQUIT),
        (signal.SIGQUIT, SignalStep(signal.SIGINT, wait=1), signal.SIGINT),
    ],
)
async def test_a_stop_sends_what_the_spec_has_for_term(
    engine: ScriptedEngine, stop_signal: signal.Signals | None, step: SignalStep, sent: int
) -> None:
    life, _ = await asleep(engine, stop_signal=stop_signal)
    one = engine.only

    await life.ask(step)
    exit = await life.wait()

    assert one.signals == [sent]
    assert exit == Exit(How.SIGNALED, code=128 + sent, signal=sent)


async def test_a_stop_sends_what_the_spec_has_although_the_engine_stumbled_at_the_start(engine: ScriptedEngine) -> None:
    engine.hanging.add("start")
    life, _ = life_of(scripted_spec("sleep", stop_signal=signal.SIGQUIT), engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(started, life)
        await wait_all_tasks_blocked()
        engine.failing["look"] = BROKEN
        engine.release()
    engine.failing.clear()

    await life.ask(SignalStep(wait=1))

    assert engine.only.signals == [signal.SIGQUIT]
    await ended(life)


async def test_a_step_that_can_not_be_taken_says_why(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine)
    engine.failing["signal"] = BROKEN

    with pytest.raises(StepError, match="stumbled"):
        await life.ask(SignalStep(wait=1))
    with pytest.raises(StepError, match="stdin: pipe"):
        await life.ask(CloseStdinStep(wait=1))

    engine.failing.clear()
    await ended(life)


async def test_what_is_written_reaches_it_and_so_does_the_end(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine, stdin=Stdin.PIPE)
    (talk,) = engine.only.ears

    await life.ask(SendStep("quit {id}\n", wait=1))
    assert life.input is not None
    await life.input.write(b"more")
    await life.ask(CloseStdinStep(wait=1))

    assert talk.theirs.recv(100, 0x100) == b"quit agent\nmore"
    assert talk.theirs.recv(100) == b""
    assert not life.input.open
    await ended(life)


@pytest.mark.parametrize("pending", [b"", b"not read"], ids=["EPIPE", "ECONNRESET"])
async def test_what_can_not_be_written_while_the_engine_is_away_is_not_blamed_on_it_alone(
    engine: ScriptedEngine, pending: bytes
) -> None:
    life, _ = await asleep(engine, stdin=Stdin.PIPE)
    (talk,) = engine.only.ears
    assert life.input is not None
    await life.input.write(pending)
    talk.theirs.close()

    with pytest.raises(BrokenPipeError, match="it has closed its standard input, or its engine is away"):
        await life.input.write(b"more")
    assert not life.input.open
    await ended(life)


async def test_a_terminal_has_its_size_its_keys_and_its_end(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine, stdin=Stdin.PTY)
    (talk,) = engine.only.ears
    await wait_all_tasks_blocked()
    assert talk.size == (80, 24)
    assert life.input is not None
    assert life.input.terminal

    life.input.resize(120, 40)
    await life.signal(signal.SIGINT)
    await life.ask(CloseStdinStep(wait=1))
    await wait_all_tasks_blocked()

    assert talk.size == (120, 40)
    assert talk.theirs.recv(100) == b"\x03\x04"
    assert engine.only.signals == []
    await ended(life)


# What it is given


async def test_secrets_are_in_its_environment_and_not_in_what_it_says(engine: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("correct-horse-battery\n")
    secrets = {"KEY": SecretFile(str(tmp_path / "key"))}
    life, heard = await asleep(engine, secrets=secrets)
    env = engine.only.plan.form["Env"]
    assert isinstance(env, list)
    assert "KEY=correct-horse-battery" in env

    engine.say(life.name, Stream.STDOUT, b"it is correct-horse")
    engine.say(life.name, Stream.STDOUT, b"-battery.\n")
    engine.end(life.name, 0)
    await life.wait()

    assert b"correct-horse" not in heard.said()
    assert heard.said().endswith(b".\n")


async def test_what_was_its_secret_in_a_life_before_is_not_seen_in_what_it_says(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    key, heard = tmp_path / "key", Heard()
    runtime = runtime_of(scripted_spec("sleep", secrets={"KEY": SecretFile(str(key))}), engine)

    for value in ("correct-horse-battery", "another-horse"):
        key.write_text(value)
        life = runtime.life(heard.launch())
        await started(life)
        engine.say(life.name, Stream.STDOUT, b"not correct-horse-battery\n")
        engine.end(life.name, 0)
        await life.wait()

    assert heard.said() == b"not [redacted]\n" * 2


async def test_limits_of_its_processes_are_told_to_the_engine(engine: ScriptedEngine) -> None:
    limits = Limits(rlimits={"nofile": 1024, "core": 0, "memlock": UNLIMITED})
    life, _ = await asleep(engine, limits=limits)
    host = engine.only.plan.form["HostConfig"]
    assert isinstance(host, dict)

    assert {each["Name"]: (each["Soft"], each["Hard"]) for each in host["Ulimits"]} == {
        "nofile": (1024, 1024),
        "core": (0, 0),
        "memlock": (-1, -1),
    }
    await ended(life)


async def test_what_only_the_supervisor_sets_is_refused_and_named(engine: ScriptedEngine) -> None:
    life, heard = life_of(scripted_spec("true", env={"AGENT_ID": "somebody", "A": "{id}"}), engine)
    await started(life)
    env = engine.only.plan.form["Env"]
    assert isinstance(env, list)
    await life.wait()

    assert "AGENT_ID=agent" in env
    assert "A=agent" in env
    assert b"not given to it, as only the supervisor sets these: AGENT_ID" in heard.said(Stream.SUPERVISOR)


async def test_a_link_that_leads_elsewhere_by_now_is_seen_at_the_start(engine: ScriptedEngine, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "link").symlink_to(work)
    runtime = runtime_of(scripted_spec("true", mounts=(f"{tmp_path}/link:/place",)), engine)
    assert (await live(runtime.life(Heard().launch()))).clean
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("/etc")

    with pytest.raises(StartError, match="which leads to /etc is not allowed: it is /etc"):
        await runtime.life(Heard().launch(generation=2)).start()


async def test_what_is_mounted_is_where_the_link_leads(engine: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "work")
    life, _ = await asleep(engine, mounts=(f"{tmp_path}/link:/place:ro", "cache:/cache"))
    host = engine.only.plan.form["HostConfig"]
    assert isinstance(host, dict)

    assert host["Mounts"] == [{"Type": "bind", "Source": f"{tmp_path}/work", "Target": "/place", "ReadOnly": True}]
    assert host["Binds"] == ["cache:/cache"]
    await ended(life)


async def test_a_mount_of_what_is_not_there_is_no_start_where_the_engine_sees_our_files(
    engine: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = scripted_spec("true", mounts=(f"{tmp_path}/wrk:/place",))
    assert (await live(life_of(spec, engine)[0])).clean
    monkeypatch.setattr("trio_supervisor.runtimes.container.runtime.shares_files", lambda address: True)

    with pytest.raises(StartError, match=f"mounts: {tmp_path}/wrk: not there"):
        await live(life_of(spec, engine)[0])


def test_a_policy_holds_for_every_runtime_that_is_made(engine: ScriptedEngine) -> None:
    with pytest.raises(SpecError, match="image 'bb:1' is not allowed"):
        runtime_of(scripted_spec("true"), engine, policy=ContainerPolicy(images=("agent:*",)))


def test_the_socket_that_an_engine_is_found_at_is_not_mounted(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    spec = ContainerSpec("bb:1", mounts=(f"{tmp_path}:/x",))

    with pytest.raises(SpecError, match=r"engine\.sock, the socket of its engine, which no container gets"):
        runtime_of(spec, engine, policy=ContainerPolicy(deny_mounts=()))


async def test_a_link_to_what_is_private_is_seen_at_the_start(engine: ScriptedEngine, tmp_path: Path) -> None:
    work, state = tmp_path / "work", tmp_path / "state"
    work.symlink_to(tmp_path / "elsewhere")
    spec = ChildSpec("agent", scripted_spec("true", mounts=(f"{work}:/place",)))
    private = {str(state): "the state directory"}
    runtime = ContainerRuntime(spec, ContainerPolicy(deny_mounts=()), private, lambda _: engine)
    work.unlink()
    work.symlink_to(state / "control.sock")

    with pytest.raises(StartError, match=r"it is in .*/state, the state directory"):
        await runtime.life(Heard().launch()).start()


# Commands in it


async def test_a_command_in_it_has_output_and_a_code(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine)

    completed = await life.run(("exit", "3"), 5)

    assert (completed.code, completed.output) == (3, b"exit 3")
    await ended(life)


async def test_a_command_that_takes_too_long_has_no_code(engine: ScriptedEngine) -> None:
    life, _ = await asleep(engine)

    assert (await life.run(("sleep",), 0.05)).code is None
    await ended(life)


@pytest.mark.parametrize(
    ("verb", "words"), [("Run", "did not begin it within 0.05 s"), ("code", "does not answer any more")]
)
async def test_a_command_whose_engine_hangs_says_nothing_of_the_container(
    engine: ScriptedEngine, verb: str, words: str, autojump_clock: MockClock
) -> None:
    life, _ = await asleep(engine)
    engine.hanging.add(verb)

    with pytest.raises(ProbeError, match=f"'sleep' can't be run in the container: its engine {words}"):
        await life.run(("sleep",), 0.05)
    engine.release()
    await ended(life)


async def test_an_end_that_a_hanging_engine_does_not_tell_is_no_failure(
    engine: ScriptedEngine, autojump_clock: MockClock
) -> None:
    life, _ = await asleep(engine)
    engine.hanging.add("code")

    with pytest.raises(ProbeError, match="its engine does not answer any more"):
        await life.run(("true",), 0.05)
    engine.release()
    await ended(life)
