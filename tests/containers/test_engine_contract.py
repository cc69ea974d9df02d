"""What every container engine keeps to: the real ones, and the scripted one of the other tests."""

import uuid
from collections.abc import AsyncIterator, Callable

import pytest
import trio

from tests.containers.real_engines import IMAGE, RealEngine
from tests.containers.scripted import ScriptedEngine
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container.docker import DockerEngine
from trio_supervisor.runtimes.container.engine import (
    Attach,
    ContainerEngine,
    EngineError,
    Fetch,
    Phase,
    Plan,
    Run,
    Seen,
    Watch,
)

BOUND = 20.0
LABEL = "trio-supervisor.test"

Make = Callable[..., Plan]


class EngineContract:
    """Six verbs."""

    image = IMAGE

    @pytest.fixture
    def label(self) -> str:
        return uuid.uuid4().hex

    @pytest.fixture
    async def make(self, engine: ContainerEngine, label: str) -> AsyncIterator[Make]:
        """Makes plans; what comes of them is removed."""
        names: list[str] = []

        def make(*command: str, image: str = self.image) -> Plan:
            names.append(f"test-{uuid.uuid4().hex}")
            form = {
                "Image": image,
                "Cmd": list(command),
                "Labels": {LABEL: label},
                "HostConfig": {"NetworkMode": "none"},
                "AttachStdout": True,
                "AttachStderr": True,
            }
            return Plan(names[-1], image, form)

        yield make
        with trio.fail_after(BOUND):
            for name in names:
                await engine.signal(name, 9)
                await over(engine, name, gone=True)
                await engine.remove(name)
                assert await engine.look(name) is None

    async def test_what_was_made_is_not_started(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")

        id = await engine.create(plan)

        seen = await engine.look(plan.name)
        assert seen is not None
        assert (seen.id, seen.phase) == (id, Phase.MADE)
        assert seen.labels[LABEL]

    async def test_an_image_that_is_not_there_is_told_from_other_faults(
        self, engine: ContainerEngine, make: Make
    ) -> None:
        with pytest.raises(EngineError, match="image") as found:
            await engine.create(make("true", image="localhost/no-such-image:1"))

        assert found.value.status == 404

    async def test_a_name_is_given_once(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")
        await engine.create(plan)

        with pytest.raises(EngineError) as found:
            await engine.create(plan)

        assert found.value.status in (409, 500)

    async def test_it_runs_until_it_is_over_and_has_a_code_then(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("false")
        await engine.create(plan)

        await engine.start(plan.name)

        seen = await over(engine, plan.name)
        assert (seen.phase, seen.code, seen.out_of_memory) == (Phase.OVER, 1, False)

    async def test_to_start_what_runs_is_no_fault(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")
        await engine.create(plan)

        for _ in range(2):
            await engine.start(plan.name)

        seen = await engine.look(plan.name)
        assert seen is not None
        assert seen.phase is Phase.RUNNING

    async def test_a_start_that_fails_says_why(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("no-such-program")
        await engine.create(plan)

        with pytest.raises(EngineError, match="no-such-program"):
            await engine.start(plan.name)

    async def test_a_signal_that_ends_it_is_in_its_code(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")
        await engine.create(plan)
        await engine.start(plan.name)

        await engine.signal(plan.name, 9)

        assert (await over(engine, plan.name)).code == 137

    async def test_what_does_not_run_is_signalled_without_harm(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("true")
        await engine.signal(plan.name, 15)
        await engine.create(plan)
        await engine.signal(plan.name, 15)
        await engine.start(plan.name)
        await over(engine, plan.name)

        await engine.signal(plan.name, 15)

        assert (await over(engine, plan.name)).code == 0

    async def test_what_runs_is_not_removed_and_what_is_gone_may_be(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")
        await engine.create(plan)
        await engine.start(plan.name)

        with pytest.raises(EngineError):
            await engine.remove(plan.name)

        await engine.signal(plan.name, 9)
        await over(engine, plan.name)
        await engine.remove(plan.name)
        assert await engine.look(plan.name) is None
        await engine.remove(plan.name)

    async def test_what_nobody_made_is_seen_by_nobody(self, engine: ContainerEngine) -> None:
        assert await engine.look("no-such-container") is None

    async def test_who_listens_before_the_start_hears_all_and_both_streams_apart(
        self, engine: ContainerEngine, make: Make
    ) -> None:
        plan = make(*self.says("one", "two"))
        await engine.create(plan)
        heard: list[tuple[Stream, bytes]] = []

        with trio.fail_after(BOUND):
            async with engine.open(Attach(plan.name)) as talk:
                await engine.start(plan.name)
                while (chunk := await talk.heard()) is not None:
                    heard.append(chunk)

        said = {stream: b"".join(text for each, text in heard if each is stream) for stream, _ in heard}
        assert said == {Stream.STDOUT: b"one", Stream.STDERR: b"two"}

    async def test_changes_of_what_has_the_label_are_told_and_of_nothing_else(
        self, engine: ContainerEngine, make: Make, label: str
    ) -> None:
        plan = make("true")
        stranger = make("true")
        stranger.form["Labels"][LABEL] = "another"  # type: ignore[index]
        told: set[str] = set()

        with trio.fail_after(BOUND):
            async with engine.open(Watch(f"{LABEL}={label}")) as talk:
                for each in (stranger, plan):
                    await engine.create(each)
                    await engine.start(each.name)
                while not told or (await over(engine, plan.name)).phase is not Phase.OVER:
                    heard = await talk.heard()
                    assert heard is not None
                    told.add(heard[1].decode())

        assert told == {plan.name}

    async def test_a_command_in_a_container_has_output_and_a_code(self, engine: ContainerEngine, make: Make) -> None:
        plan = make("sleep", "300")
        await engine.create(plan)
        await engine.start(plan.name)
        codes: dict[str, int | None] = {}

        with trio.fail_after(BOUND):
            for command in ("true", "false"):
                async with engine.open(Run(plan.name, (command,))) as talk:
                    while await talk.heard() is not None:
                        pass
                    while (code := await talk.code()) is None:
                        await trio.sleep(0.01)
                    codes[command] = code

        assert codes == {"true": 0, "false": 1}

    async def test_an_image_that_can_not_be_fetched_is_a_fault(self, engine: ContainerEngine) -> None:
        with trio.fail_after(BOUND), pytest.raises(EngineError):  # noqa: PT012 -- it may be refused at once, or later
            async with engine.open(Fetch("127.0.0.1:1/no-such-image:1")) as talk:
                while await talk.heard() is not None:
                    pass

    def says(self, out: str, err: str) -> tuple[str, ...]:
        return ("sh", "-c", f"printf {out}; printf {err} >&2")


async def over(engine: ContainerEngine, name: str, *, gone: bool = False) -> Seen:
    """Wait until a container does not run."""
    with trio.fail_after(BOUND):
        while (seen := await engine.look(name)) is not None and seen.phase is Phase.RUNNING:
            await trio.sleep(0.01)
    if seen is None and gone:
        return Seen("", Phase.OVER)
    assert seen is not None
    return seen


class TestScriptedEngine(EngineContract):
    image = "bb:1"

    @pytest.fixture
    def engine(self) -> ScriptedEngine:
        return ScriptedEngine()

    def says(self, out: str, err: str) -> tuple[str, ...]:
        return ("say", out, err)


@pytest.mark.containers
class TestRealEngines(EngineContract):
    @pytest.fixture
    def engine(self, real: RealEngine) -> DockerEngine:
        return DockerEngine(real.address)
