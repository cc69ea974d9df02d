"""The steps of a stop, what is said of them, and what bounds them; with scripted children, in virtual time."""

import math
from collections.abc import Sequence
from signal import Signals

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.engine.test_supervisor import child, tree
from trio_supervisor.commands import Completed
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.engine.world import World
from trio_supervisor.errors import ProbeError, StepError
from trio_supervisor.record import changed
from trio_supervisor.runtimes.base import Launch, Life, Ownership, Stream
from trio_supervisor.spec import (
    AskStep,
    ChildSpec,
    CloseStdinStep,
    CommandStep,
    HttpStep,
    ProcessSpec,
    SendStep,
    SignalStep,
    SignalTo,
    Stdin,
    StopStep,
    SupervisorSpec,
    TaskSpec,
)
from trio_supervisor.testing import Script, ScriptedLife, ScriptedRuntime, ScriptedWorld

DEAF = Script(stop_delay=math.inf)


@attrs.define
class Stage:
    """A world whose children list who is left of them, run commands and own a port, as a test has it."""

    script: Script = DEAF
    left: list[str] = attrs.field(factory=lambda: ["123 (node)", "130 (esbuild)"])
    look_takes: float = 0.0
    refused: dict[type, str] = attrs.field(factory=dict)
    command: Completed | ProbeError = attrs.field(factory=lambda: Completed(0, b""))
    command_takes: float = 0.0
    port: int | None = None
    owner: Ownership = Ownership.OURS
    requests: list[tuple[str, str, int | None]] = attrs.field(factory=list)
    request_error: str = ""
    scripted: ScriptedWorld = attrs.field(factory=ScriptedWorld)

    @property
    def world(self) -> World:
        return changed(self.scripted.world, runtime=lambda spec: _Runtime(self, spec), request=self.request)

    async def request(self, step: HttpStep, child: str, port: int | None) -> None:
        self.requests.append((step.http, child, port))
        if self.request_error:
            raise StepError(self.request_error)

    async def stop(self, *steps: StopStep, deadline: float = 1000, **options: object) -> None:
        """Start one child, and stop it a second later, at 1 s of the clock."""
        async with Supervisor(tree(piped(*steps), stop_deadline=deadline, **options), self.world).open():
            await trio.sleep(1)

    @property
    def happened(self) -> list[tuple[float, str]]:
        """What happened to the child after its start."""
        events = [(at, what.removesuffix(" #1")) for at, _, what in self.scripted.events if what != "closed"]
        return [event for event in events if event[1] != "started"]

    @property
    def said(self) -> list[str]:
        assert all(stream is Stream.SUPERVISOR for _, stream, _ in self.scripted.output)
        return [chunk.decode().removesuffix("\n") for _, _, chunk in self.scripted.output]


class _Runtime(ScriptedRuntime):
    def __init__(self, stage: Stage, spec: ChildSpec) -> None:
        super().__init__(spec.id, (), stage.scripted.note)
        self.stage = stage
        self.port = stage.port

    def life(self, launch: Launch) -> Life:
        return _Life(self.stage, launch)


class _Life(ScriptedLife):
    def __init__(self, stage: Stage, launch: Launch) -> None:
        super().__init__(stage.script, launch, stage.scripted.note)
        self.stage = stage

    async def ask(self, step: AskStep) -> None:
        if why := self.stage.refused.get(type(step)):
            raise StepError(why)
        await super().ask(step)

    async def members(self) -> list[str]:
        await trio.sleep(self.stage.look_takes)
        return self.stage.left

    async def owner(self, port: int) -> tuple[Ownership, str]:
        return self.stage.owner, "pid 7 (nginx)"

    async def run(self, command: Sequence[str], timeout: float) -> Completed:
        self._say(f"ran {' '.join(command)}")
        try:
            await trio.sleep(self.stage.command_takes)
        except trio.Cancelled:
            self._say("command killed")
            raise
        if isinstance(self.stage.command, ProbeError):
            raise self.stage.command
        return self.stage.command


def piped(*steps: StopStep) -> ChildSpec:
    return ChildSpec("a", ProcessSpec(("a",), stdin=Stdin.PIPE), stop=steps)


TERM = SignalStep(wait=5)


async def test_each_step_is_taken_once_in_order_with_its_wait_and_then_all_is_killed(autojump_clock: MockClock) -> None:
    stage = Stage()

    await stage.stop(CloseStdinStep(wait=2), SendStep("quit\n", wait=3), SignalStep(Signals.SIGINT, wait=4), TERM)

    assert stage.happened == [
        (1, "asked to end by the end of its input"),
        (3, "asked to end by 'quit\\n'"),
        (6, "asked to end by SIGINT"),
        (10, "asked to end by SIGTERM"),
        (15, "killed"),
        (15, "ended (signal SIGKILL)"),
    ]


async def test_no_step_follows_the_end(autojump_clock: MockClock) -> None:
    stage = Stage(Script(stop_delay=1.5))

    await stage.stop(CloseStdinStep(wait=2), TERM)

    assert stage.happened == [(1, "asked to end by the end of its input"), (2.5, "ended (exit code 0)")]


async def test_a_step_that_cannot_be_taken_is_said_and_the_next_follows_at_once(autojump_clock: MockClock) -> None:
    stage = Stage(Script(stop_delay=0.5), refused={CloseStdinStep: "its input is closed"})

    await stage.stop(CloseStdinStep(wait=10), TERM)

    assert stage.happened == [(1, "asked to end by SIGTERM"), (1.5, "ended (exit code 0)")]
    assert stage.said == ["stop: end of its input: its input is closed"]


async def test_the_stop_deadline_cuts_a_stop_of_several_steps(autojump_clock: MockClock) -> None:
    stage = Stage(left=["123 (node)"])

    await stage.stop(CloseStdinStep(wait=4), TERM, SignalStep(Signals.SIGQUIT, wait=5), deadline=6)

    assert stage.happened[1:] == [
        (5, "asked to end by SIGTERM"),
        (7, "killed"),
        (7, "ended (signal SIGKILL)"),
    ]
    assert stage.said[-1] == "SIGKILL to what is left: 123 (node)"


async def test_hurry_takes_no_step_any_more(autojump_clock: MockClock) -> None:
    stage = Stage()

    async with Supervisor(tree(piped(CloseStdinStep(wait=50), TERM)), stage.world).open() as supervisor:
        supervisor.stop("SIGINT")
        await trio.sleep(3)
        supervisor.hurry("SIGINT again")

    assert stage.happened[1:] == [(3, "killed"), (3, "ended (signal SIGKILL)")]


async def test_children_that_nothing_orders_climb_their_ladders_at_the_same_time(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({name: [DEAF] for name in "abc"})
    steps = (SignalStep(Signals.SIGINT, wait=2), SignalStep(wait=2))

    async with Supervisor(tree(*(child(name, stop=steps) for name in "abc")), world.world).open():
        await trio.sleep(1)

    assert [at for at, _, what in world.events if what.startswith("killed")] == [5, 5, 5]


async def test_who_is_stopped_before_its_start_is_over_is_asked_nothing(autojump_clock: MockClock) -> None:
    stage = Stage(Script(start_delay=100))

    await stage.stop(CommandStep(("bye",), wait=5), TERM)

    assert stage.happened == [(1, "killed")]
    assert trio.current_time() == 1


# Commands


async def test_a_command_runs_with_the_port_and_the_id_of_the_child_and_its_time_is_part_of_the_wait(
    autojump_clock: MockClock,
) -> None:
    stage = Stage(command_takes=3, port=8080)

    await stage.stop(CommandStep(("bye", "{id}", "{port}", "{else}"), wait=5), TERM)

    assert stage.happened[:2] == [(1, "ran bye a 8080 {else}"), (6, "asked to end by SIGTERM")]


async def test_a_command_that_takes_longer_than_its_wait_is_ended_with_it(autojump_clock: MockClock) -> None:
    stage = Stage(command_takes=100)

    await stage.stop(CommandStep(("bye",), wait=5), TERM)

    assert stage.happened[:3] == [(1, "ran bye"), (6, "command killed"), (6, "asked to end by SIGTERM")]


async def test_a_command_that_fails_is_said_and_its_wait_goes_on(autojump_clock: MockClock) -> None:
    stage = Stage(command=Completed(3, b"one\nno such session\n\n"), command_takes=0.5)

    await stage.stop(CommandStep(("bye",), wait=5), TERM)

    assert stage.said[0] == "stop: command bye: exit code 3: no such session"
    assert stage.happened[1] == (6, "asked to end by SIGTERM")


@pytest.mark.parametrize(
    ("stage", "command", "why"),
    [
        (Stage(command=ProbeError("no such program: bye")), "bye", "no such program: bye"),
        (Stage(), "bye {port}", "it needs a port, and the child has none"),
    ],
)
async def test_a_command_that_cannot_be_run_gives_way_at_once(
    autojump_clock: MockClock, stage: Stage, command: str, why: str
) -> None:
    await stage.stop(CommandStep(tuple(command.split()), wait=50), TERM)

    assert stage.said[0] == f"stop: command bye: {why}"
    assert (1, "asked to end by SIGTERM") in stage.happened


async def test_a_task_has_no_place_to_run_a_command_in(autojump_clock: MockClock) -> None:
    world = ScriptedWorld()
    spec = ChildSpec("a", TaskSpec(trio.sleep_forever), stop=(CommandStep(("bye",), wait=50), TERM))

    async with Supervisor(tree(spec), world.world).open():
        await trio.sleep(1)

    assert world.output == [
        ("a", Stream.SUPERVISOR, b"stop: command bye: in a child of this kind no command can be run\n")
    ]
    assert (1, "a", "asked to end by SIGTERM #1") in world.events


# Requests


async def test_a_request_goes_to_the_port_of_the_child(autojump_clock: MockClock) -> None:
    stage = Stage(port=8080)

    await stage.stop(HttpStep("/shutdown", wait=5), TERM)

    assert stage.requests == [("/shutdown", "a", 8080)]
    assert stage.happened[0] == (6, "asked to end by SIGTERM")


async def test_a_request_that_cannot_be_sent_gives_way_at_once(autojump_clock: MockClock) -> None:
    stage = Stage(port=8080, request_error="connection refused on 127.0.0.1:8080")

    await stage.stop(HttpStep("/shutdown", wait=50), TERM)

    assert stage.said[0] == "stop: POST /shutdown: connection refused on 127.0.0.1:8080"
    assert stage.happened[0] == (1, "asked to end by SIGTERM")


async def test_a_stranger_on_the_port_is_not_asked_to_end(autojump_clock: MockClock) -> None:
    stage = Stage(port=8080, owner=Ownership.STRANGER)

    await stage.stop(HttpStep("/shutdown", wait=50), TERM)

    assert stage.requests == []
    assert stage.said[0] == "stop: POST /shutdown: port 8080 is answered by a stranger: pid 7 (nginx)"


# What is said


async def test_a_stop_that_ends_within_a_second_says_nothing(autojump_clock: MockClock) -> None:
    stage = Stage(Script(stop_delay=0.9))

    await stage.stop(TERM)

    assert stage.said == []


async def test_a_kill_within_a_second_says_nothing(autojump_clock: MockClock) -> None:
    stage = Stage()

    await stage.stop(SignalStep(wait=0.4), SignalStep(wait=0.4))

    assert stage.happened[-1] == (1.8, "ended (signal SIGKILL)")
    assert stage.said == []


async def test_a_long_stop_says_seldom_and_more_seldom_who_is_waited_for(autojump_clock: MockClock) -> None:
    stage = Stage(Script(stop_delay=50))

    await stage.stop(SignalStep(wait=100, to=SignalTo.LEADER))

    assert stage.said == [
        f"still stopping: SIGTERM to the leader, {seconds} of 100 s; left: 123 (node), 130 (esbuild)"
        for seconds in ("1.0", "5.0", "10", "20", "40")
    ]


async def test_each_later_step_is_said_at_its_begin_and_the_kill_too(autojump_clock: MockClock) -> None:
    stage = Stage(left=["123 (node)"])

    await stage.stop(CloseStdinStep(wait=5), TERM)

    assert stage.said == [
        "still stopping: end of its input, 1.0 of 5 s; left: 123 (node)",
        "still stopping: SIGTERM to the group, 0.0 of 5 s; left: 123 (node)",
        "SIGKILL to what is left: 123 (node)",
    ]


async def test_of_many_only_some_are_named(autojump_clock: MockClock) -> None:
    stage = Stage(left=[f"{pid} (sh)" for pid in range(100, 150)])

    await stage.stop(SignalStep(wait=2))

    assert stage.said[-1].endswith("108 (sh), 109 (sh) and 40 more")


async def test_a_look_at_who_is_left_delays_no_kill(autojump_clock: MockClock) -> None:
    stage = Stage(look_takes=1000)

    await stage.stop(SignalStep(wait=2))

    assert stage.said == ["still stopping: SIGTERM to the group, 1.0 of 2 s", "SIGKILL to what is left"]
    assert (3.5, "killed") in stage.happened


async def test_of_a_supervisor_its_children_are_named(autojump_clock: MockClock) -> None:
    world = ScriptedWorld({"team/x": [Script(stop_delay=1.5)], "x": [Script(stop_delay=1.5)]})
    team = ChildSpec("team", SupervisorSpec((child("x"), child("y"))))

    async with Supervisor(tree(team), world.world).open():
        await trio.sleep(1)

    assert [(who, chunk.decode()) for who, _, chunk in world.output if who == "team"] == [
        ("team", "still stopping: asked to end, 1.0 s; left: x\n")
    ]


# Time in which nobody ran


async def test_the_wait_of_a_step_is_not_used_up_by_lost_time(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    stage = Stage()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.stop, TERM, SignalStep(Signals.SIGQUIT, wait=5))
        await trio.sleep(3)
        # As after SIGSTOP and SIGCONT: everybody wakes up late.
        mock_clock.jump(60)

    # At 63 s, 57 s after the mark at 6 s: what was left of the 5 s then is granted, at least as much as was lost.
    assert stage.happened[1] == (68, "asked to end by SIGQUIT")
    assert stage.happened[2] == (73, "killed")


async def test_a_kill_has_its_time_again_before_it_is_called_of_no_use(mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0.01
    stage = Stage(Script(stop_delay=math.inf, kill_delay=70))
    states = []

    async def stop() -> None:
        async with Supervisor(tree(piped(), stop_deadline=1000), stage.world).open() as supervisor:
            await trio.sleep(1)
            supervisor.stop("enough")
            await supervisor.wait()
            states.append((supervisor.children["a"].state, supervisor.children["a"].reason))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await trio.sleep(5)
        mock_clock.jump(60)

    assert states == [(State.STOPPED, "enough (signal SIGKILL)")]
