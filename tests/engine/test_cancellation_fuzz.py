"""The supervisor is cancelled at every single checkpoint of start, restart and stop: nothing is left, and nothing is
lost.

A case is a random small tree and a number n: the scope round the tree is cancelled after the n-th step that any task
has made. First a tree is run without that, to count the steps.
"""

import random
from collections.abc import Iterator

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from trio_supervisor import (
    ChildSpec,
    ChildStartError,
    LifeEnded,
    RestartLimitReached,
    StateChanged,
    Supervisor,
    supervisor,
    task,
)
from trio_supervisor.core.notices import Notice


class CrashError(Exception):
    """Raised by a child of the tests; each is an object of its own."""


@define(eq=False)
class CancelAt(trio.abc.Instrument):
    """Cancels a scope after so many steps of tasks; counts them."""

    step: int | None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    steps: int = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.step:
            self.scope.cancel()


@define
class Case:
    """A random tree, and what was seen of it."""

    seed: int
    draw: random.Random = field(init=False)
    running: int = 0
    begun: int = 0
    raised: list[BaseException] = field(factory=list)
    told: list[BaseException | None] = field(factory=list)
    stopping: set[str] = field(factory=set)
    """Supervisors of profile otp of which a child is being cancelled now."""
    disorder: str = ""
    begun_lives: int = 0
    ended_lives: int = 0

    def __attrs_post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def tree(self) -> Supervisor:
        draw = self.draw
        profile = draw.choice(("otp", "fleet"))
        children = [self.child(name, profile, depth=0) for name in "abcd"[: draw.randint(1, 4)]]
        return Supervisor(
            *children,
            profile=profile,
            strategy=draw.choice(("one_for_one", "one_for_all", "rest_for_one")),
            intensity=(draw.choice((0, 1, 3)), 60.0),
            at_limit=draw.choice((None, "escalate", "hold", "pause")),
            stop_deadline=None if profile == "otp" else 3.0,
        )

    def child(self, name: str, its_profile: str, depth: int) -> ChildSpec:
        draw = self.draw
        restart = draw.choice(("permanent", "transient", "temporary"))
        if depth < 2 and draw.random() < 0.25:
            profile = draw.choice(("otp", "fleet"))
            inner = [self.child(f"{name}{each}", profile, depth + 1) for each in "xy"[: draw.randint(1, 2)]]
            return supervisor(name, *inner, profile=profile, own={"restart": restart})
        function = _Function(
            self,
            one_at_a_time=name[:-1] + "/" if its_profile == "otp" else "",
            start_delay=draw.choice((None, 0.0, 0.5)),
            fails_to_start=draw.random() < 0.15,
            lifetime=draw.choice((0.0, 0.3, 1.0, 1000.0, 1000.0)),
            crashes=draw.random() < 0.6,
            cleanup=draw.choice((0.0, 0.0, 0.2, 1.0)),
            cleanup_fails=draw.random() < 0.2,
        )
        stop = draw.choice((None, "kill", 0.5))
        call = function.announcing if function.start_delay is not None else function.silent
        return task(name, call, restart=restart, stop=stop)

    def hear(self, path: str, notice: Notice) -> None:
        match notice:
            case StateChanged() if notice.new.value == "starting":
                self.begun_lives += 1
            case LifeEnded():
                self.ended_lives += 1
                self.told.append(notice.exit.exception)
            case _:
                pass


@define
class _Function:
    """An async function with a life of its own."""

    case: Case
    one_at_a_time: str
    """A name for its supervisor, if that stops one child at a time."""
    start_delay: float | None
    fails_to_start: bool
    lifetime: float
    crashes: bool
    cleanup: float
    cleanup_fails: bool

    async def silent(self) -> None:
        await self.live(trio.TASK_STATUS_IGNORED)

    async def announcing(self, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 -- passes it on
        await self.live(task_status)

    async def live(self, task_status: trio.TaskStatus[None]) -> None:
        self.case.running += 1
        self.case.begun += 1
        try:
            await trio.sleep(self.start_delay or 0)
            if self.fails_to_start:
                self.crash()
            task_status.started()
            await trio.sleep(self.lifetime)
            if self.crashes:
                self.crash()
        except trio.Cancelled:
            if self.one_at_a_time in self.case.stopping:
                self.case.disorder = self.one_at_a_time
            self.case.stopping |= {self.one_at_a_time} - {""}
            raise
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self.cleanup)
            self.case.stopping.discard(self.one_at_a_time)
            self.case.running -= 1
            if self.cleanup_fails:
                self.crash()

    def crash(self) -> None:
        self.case.raised.append(CrashError())
        raise self.case.raised[-1]


async def run_case(case: Case, instrument: CancelAt) -> None:
    tree = case.tree()
    tree.engine.listen(case.hear)
    with instrument.scope:
        try:
            async with tree:
                await trio.sleep(1.5)
        except (RestartLimitReached, ChildStartError):
            pass
    assert tree.engine.over or not tree.engine.children, "the supervisor is over"


def play_case(seed: int, step: int | None) -> int:
    """Run a case and check it; returns how many steps there were."""
    case, instrument = Case(seed), CancelAt(step)
    trio.run(run_case, case, instrument, clock=MockClock(autojump_threshold=0), instruments=[instrument])
    where = f"tree {seed}, cancelled after step {step}"
    assert case.running == 0, f"{where}: something is left running"
    assert case.begun_lives == case.ended_lives, f"{where}: a life has no end"
    assert not case.disorder, f"{where}: children of {case.disorder} were stopped at the same time"
    told = {id(each) for error in case.told if error for each in _chain(error)}
    assert {id(error) for error in case.raised} <= told, f"{where}: an exception is lost"
    return instrument.steps


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, what is in it, and what it came after."""
    yield error
    for inner in (*getattr(error, "exceptions", ()), error.__context__, error.__cause__):
        if inner is not None:
            yield from _chain(inner)


def play_cases(count: int, first_seed: int) -> int:
    """Whole trees, until so many cases were played; returns how many."""
    played, seed = 0, first_seed
    while played < count:
        for step in range(1, play_case(seed, None) + 1):
            play_case(seed, step)
            played += 1
        seed += 1
    return played


def test_cancelled_at_any_checkpoint_nothing_is_left_and_nothing_is_lost() -> None:
    assert play_cases(400, first_seed=0) >= 400


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 6000, 1000))
def test_cancelled_at_any_checkpoint_two_thousand_times(first_seed: int) -> None:
    assert play_cases(2_000, first_seed) >= 2_000
