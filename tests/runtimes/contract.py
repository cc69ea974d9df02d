"""What every runtime keeps to, whatever kind of children it runs.

Subclass `LifeContract` and give it a fixture `make_life`, which makes lives, not started yet, that behave as asked for;
with each comes what is heard of it.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Launch, Life, Stream
from trio_supervisor.spec import SignalStep
from trio_supervisor.testing import ScriptedLaunch

STEP = SignalStep(wait=5)
BOUND = 20.0
"""No verb may take longer, in seconds, on the slowest machine."""


class Behaviour(Enum):
    """What a life is to do by itself."""

    END_WELL = "ends at once, and that is no failure"
    END_BADLY = "ends at once, and that is a failure"
    STAY = "goes on until it is asked to end, and then ends"
    TALK = "says TEXT on each of its streams, then ends well"
    FAIL_TO_START = "can't be started"


TEXT = b"something to say"


class Heard:
    """What a life hands over."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Stream, bytes]] = []
        self._more = trio.Event()

    def launch(self, child: str = "agent", generation: int = 1, restart_count: int = 0, reason: str = "") -> Launch:
        """What a life is given so that it is heard here."""
        return ScriptedLaunch(child, generation, restart_count, reason, self._take, self._room)

    def said(self, stream: Stream = Stream.STDOUT) -> bytes:
        """All that came on a stream."""
        return b"".join(chunk for of, chunk in self.chunks if of is stream)

    def ends(self) -> Counter[Stream]:
        """How often each stream has ended."""
        return Counter(stream for stream, chunk in self.chunks if not chunk)

    async def wait_said(self, text: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Wait until `text` was said."""
        while text not in self.said(stream):
            await self._more.wait()

    async def wait_lines(self, number: int) -> None:
        """Wait until the standard output has so many lines."""
        while self.said().count(b"\n") < number:
            await self._more.wait()

    async def wait_line(self) -> str:
        """Wait for the first whole line of the standard output."""
        await self.wait_said(b"\n")
        return self.said().split(b"\n")[0].decode()

    def _take(self, stream: Stream, chunk: bytes) -> None:
        self.chunks.append((stream, chunk))
        self._more.set()
        self._more = trio.Event()

    async def _room(self) -> None:
        """There is always room."""


MakeLife = Callable[[Behaviour], tuple[Life, Heard]]


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope just before a task takes its n-th step from now on."""

    def __init__(self, n: int, scope: trio.CancelScope) -> None:
        self._left = n
        self._scope = scope
        self._task = trio.lowlevel.current_task()
        self.fired = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task and not self.fired:
            self._left -= 1
            if self._left == 0:
                self.fired = True
                self._scope.cancel()


class LifeContract:
    """Start, wait, ask, kill."""

    streams: frozenset[Stream] = frozenset({Stream.STDOUT, Stream.STDERR})
    """Those that a life of this runtime ends."""
    ends_well = Exit(How.EXITED, code=0)

    async def test_a_life_that_ends_well_ends_clean(self, make_life: MakeLife) -> None:
        exit = await live(make_life(Behaviour.END_WELL)[0])

        assert exit.clean
        assert exit == self.ends_well

    async def test_a_life_that_ends_badly_does_not_end_clean(self, make_life: MakeLife) -> None:
        assert not (await live(make_life(Behaviour.END_BADLY)[0])).clean

    async def test_nobody_has_to_ask_or_kill_for_a_life_to_go_on(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)
        ended = trio.Event()

        async with trio.open_nursery() as nursery:
            await life.start()
            nursery.start_soon(wait_and_tell, life, ended)
            await wait_all_tasks_blocked(0.05)
            assert not ended.is_set()
            life.kill()

    async def test_asking_returns_before_the_end_and_brings_it_about(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)

        await life.start()
        with trio.fail_after(BOUND):
            await life.ask(STEP)
            exit = await life.wait()

        assert exit.how is not How.UNKILLABLE

    async def test_a_kill_ends_a_life(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)

        await life.start()
        life.kill()

        assert not (await wait_bounded(life)).clean

    async def test_a_kill_ends_a_life_that_is_waited_for(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)
        ended = trio.Event()

        await life.start()
        with trio.fail_after(BOUND):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait_and_tell, life, ended)
                await wait_all_tasks_blocked()
                life.kill()

        assert ended.is_set()

    async def test_many_kills_are_one(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)

        await life.start()
        for _ in range(5):
            life.kill()
        await wait_bounded(life)
        life.kill()

    async def test_after_the_end_asking_and_killing_do_nothing(self, make_life: MakeLife) -> None:
        life, heard = make_life(Behaviour.END_WELL)
        exit = await live(life)
        chunks = len(heard.chunks)

        await life.ask(STEP)
        life.kill()
        await wait_all_tasks_blocked()

        assert exit.clean
        assert len(heard.chunks) == chunks

    async def test_what_was_killed_before_its_start_does_not_live(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)

        life.kill()

        await start_and_expect_nothing(life)

    async def test_what_was_killed_during_its_start_does_not_live(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.STAY)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_and_expect_nothing, life)
            await trio.lowlevel.checkpoint()
            life.kill()

    async def test_a_start_that_is_cancelled_at_any_of_its_steps_loses_nothing(self, make_life: MakeLife) -> None:
        step, fired = 0, True
        while fired:
            step += 1
            fired = await start_cancelled_at(step, make_life(Behaviour.STAY)[0])

        assert step >= 2, "start() never came to a checkpoint"

    async def test_a_failed_start_says_why(self, make_life: MakeLife) -> None:
        life, _ = make_life(Behaviour.FAIL_TO_START)

        with pytest.raises(StartError, match=r"."):
            await life.start()
        life.kill()

        assert life.pid is None

    async def test_all_that_was_said_is_heard_before_the_end(self, make_life: MakeLife) -> None:
        life, heard = make_life(Behaviour.TALK)

        await live(life)

        assert {stream: heard.said(stream) for stream in self.streams} == dict.fromkeys(self.streams, TEXT)

    @pytest.mark.parametrize("behaviour", [Behaviour.END_WELL, Behaviour.END_BADLY, Behaviour.TALK])
    async def test_each_stream_ends_exactly_once(self, make_life: MakeLife, behaviour: Behaviour) -> None:
        life, heard = make_life(behaviour)

        await live(life)
        await wait_all_tasks_blocked()

        assert heard.ends() == dict.fromkeys(self.streams, 1)

    async def test_the_streams_of_a_killed_life_end_too(self, make_life: MakeLife) -> None:
        life, heard = make_life(Behaviour.STAY)

        await life.start()
        life.kill()
        await wait_bounded(life)

        assert heard.ends() == dict.fromkeys(self.streams, 1)


async def live(life: Life) -> Exit:
    """Start and wait."""
    await life.start()
    return await wait_bounded(life)


async def wait_bounded(life: Life) -> Exit:
    """Wait for an end that is on its way."""
    with trio.fail_after(BOUND):
        return await life.wait()


async def wait_and_tell(life: Life, ended: trio.Event) -> None:
    """Wait for the end, then set the event."""
    await life.wait()
    ended.set()


async def start_and_expect_nothing(life: Life) -> None:
    """Start what was killed: either that is refused, or the life is over at once."""
    try:
        await life.start()
    except StartError:
        assert life.pid is None
        return
    assert not (await wait_bounded(life)).clean


async def start_cancelled_at(step: int, life: Life) -> bool:
    """Start, cancelled at that step; then do as the engine does. Returns False when the start has fewer steps."""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(step, scope)
        trio.lowlevel.add_instrument(instrument)
        try:
            await life.start()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    life.kill()
    await wait_bounded(life)
    assert life.pid is None
    return instrument.fired
