"""What the machine remembers of one child."""

import math
from enum import Enum

from trio_supervisor.core.clocks import Clocks
from trio_supervisor.core.crashes import EARLY, Crashes
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.health import Health
from trio_supervisor.core.policy import ChildPolicy, ReadyBy
from trio_supervisor.core.spending import Ledger
from trio_supervisor.core.state import TRANSITIONS, Desired, State
from trio_supervisor.core.window import Window
from trio_supervisor.record import record


@record
class Ended:
    """The end of a life that nobody asked for. `draw` is a random number in [0, 1), for the delay before the next
    one.
    """

    exit: Exit
    draw: float


class StopCause(Enum):
    """Why a life is being stopped."""

    ASKED = "asked"
    """Somebody asked; what follows is told by `desired`."""
    FAILURE = "failure"
    """The machine judged it failed; what follows is as if it had crashed."""


ASKED = "asked"
"""Why a life is not the first: somebody asked for it."""


class Child:
    """State and history of one child. Changed by the machine only."""

    __slots__ = (
        "again",
        "announced",
        "attempts",
        "begun_at",
        "blocked",
        "busy",
        "cause",
        "clocks",
        "crashes",
        "desired",
        "ended_early",
        "failed_by",
        "failure",
        "generation",
        "grounds",
        "group",
        "health",
        "hold",
        "hold_until",
        "id",
        "known",
        "last_exit",
        "last_failure",
        "ledger",
        "lives_by",
        "next_policy",
        "pending",
        "policy",
        "probe_failure",
        "readied",
        "readiness",
        "ready_seconds",
        "ready_since",
        "reason",
        "restart_reason",
        "restarts",
        "resume_at",
        "since",
        "started_at",
        "startup",
        "state",
        "status",
        "value",
        "was_ready",
        "windows",
    )

    def __init__(self, child: str, policy: ChildPolicy, now: float) -> None:
        self.id = child
        self.policy = policy
        self.next_policy: ChildPolicy | None = None
        """What it goes by from its next life on, if that is something else."""
        self.state = State.STOPPED
        self.desired = Desired.DOWN
        self.since = now
        self.reason = "added"
        self.generation = 0
        """The number of the present or last life; 0 before the first."""
        self.restarts = 0
        """Lives after the first that nobody asked for."""
        self.attempts = 0
        """Restarts in a row, for the backoff."""
        self.restart_reason = ""
        """Why the next or present life is not the first."""
        self.ready_since: float | None = None
        """Since when it is READY without a break; None in every other state."""
        self.was_ready = False
        """Whether the present life has been ready."""
        self.startup: Health | None = None
        """The answers of this life's startup probe, up to its success; None before it is started, and without one."""
        self.readiness: Health | None = None
        """The answers of this life's readiness probe; None before it runs, and without a probe."""
        self.probe_failure = ""
        """What the startup or readiness probe of this life said when it failed last."""
        self.health: Health | None = None
        """The answers of this life's health probe; None before it is watched, and without a probe."""
        self.announced = False
        """Whether the present life has said itself that it is ready."""
        self.status = ""
        """What the present life says it is doing, in its own words."""
        self.last_exit: Exit | None = None
        """How the last life ended; None before the end of the first."""
        self.last_failure: Exit | None = None
        """The last bad end; to end as asked is none. None if there was none."""
        self.cause: StopCause | None = None
        """Why it is STOPPING or DRAINING; None in every other state."""
        self.failure = ""
        """In STOPPING and DRAINING with cause FAILURE: what it is said to have failed by."""
        self.blocked = False
        """FAILED because of a dependency; such a child starts when the dependency comes back."""
        self.value: object = None
        """What the present life announced its readiness with."""
        self.pending: Ended | None = None
        """How the present life ended by itself, as long as that waits for its turn; None in all other cases."""
        self.known: int | None = None
        """The generation that OTP's own record of the child would name; for reports."""
        self.hold: str = ""
        """Why it is to be HELD, not STOPPED, when it is down."""
        self.group: tuple[str, ...] = ()
        """In BACKOFF: those that start with it when the delay is over, in order; empty when it starts alone."""
        self.windows: list[Window] = []
        """Its own restarts that still count, one for each limit that is its own; made at its first restart."""
        self.hold_until = math.inf
        """With `hold`: when it is to be resumed by itself."""
        self.resume_at = math.inf
        """In HELD: when it is resumed by itself."""
        self.started_at: float | None = None
        """When the present life was started; None before."""
        self.ended_early = False
        """Whether the last life ended before it was up in earnest."""
        self.crashes = Crashes()
        """Bad ends in a row."""
        self.busy: bool | None = None
        """Whether the present life says that it is; None if it has never said so."""
        self.clocks: Clocks | None = None
        """The limits of the present life, once it is started; None without any."""
        self.ledger = Ledger(policy.budget) if policy.budget else None
        """What it has used up of its own budget."""
        self.failed_by: Rule | None = None
        """The rule by which the present or last life was stopped as failed; None if none was."""
        self.again = ""
        """Why the next or present life is not the first, in a word: a rule, how the life before ended, or `asked`."""
        self.grounds: tuple[Ground, ...] = ()
        """The rules by which it is to be stopped in DRAINING, or was to be held."""
        self.lives_by: dict[str, int] = {}
        """How many lives after the first were begun for each of these; nothing resets it."""
        self.begun_at = now
        """When the present life was begun."""
        self.readied = 0
        """How many lives have become ready."""
        self.ready_seconds = 0.0
        """How long that took them, together."""

    @property
    def failing_since(self) -> float | None:
        """When the first failed answer to a probe came that is not made up for yet; None if there is none."""
        readiness, health = self.readiness, self.health
        if readiness is None or readiness.failing_since is None:
            return None if health is None else health.failing_since
        if health is None or health.failing_since is None:
            return readiness.failing_since
        return min(readiness.failing_since, health.failing_since)

    @property
    def up(self) -> bool:
        """Whether there is a life that is not known to be over."""
        return self.state.alive and self.pending is None

    def enter(self, state: State, now: float, reason: str) -> None:
        """Go to another state; the only place where `state` is written."""
        assert state in TRANSITIONS[self.state], (
            f"child {self.id!r}: {self.state.value} -> {state.value} is no transition"
        )
        if self.state is State.READY:
            self.leave_ready(now)
        self.state = state
        self.since = now
        self.reason = reason
        self.blocked = False
        self.group = ()
        if not state.alive:
            self.pending = None
        self.resume_at = self.hold_until if state is State.HELD and self.hold else math.inf
        if state is State.READY:
            self.ready_since = now
        if state not in (State.STOPPING, State.DRAINING):
            self.cause = None
            self.failure = ""

    def begin_life(self, now: float) -> None:
        """Count a new generation; nothing of the one before holds any more."""
        if self.generation:
            self.lives_by[self.again] = self.lives_by.get(self.again, 0) + 1
        self.generation += 1
        self.begun_at = now
        self.failed_by = None
        self.was_ready = False
        self.startup = None
        self.readiness = None
        self.probe_failure = ""
        self.health = None
        self.announced = False
        self.status = ""
        self.value = None
        self.started_at = None
        self.ended_early = False
        self.busy = None
        self.clocks = None

    def note_ready(self, now: float) -> None:
        """Its present life is ready for the first time."""
        self.was_ready = True
        self.readied += 1
        self.ready_seconds += now - self.begun_at

    def note_end(self, now: float) -> None:
        """Its present life is over: keep whether it was up in earnest."""
        hardly = self.started_at is None or now - self.started_at < EARLY
        self.ended_early = not self.was_ready or (self.policy.ready_by is ReadyBy.START and hardly)

    def begin_anew(self, now: float) -> None:
        """Somebody wants to see it up: what it has failed by and used up before is forgiven."""
        self.attempts = 0
        self.crashes.forget()
        if self.ledger:
            self.ledger.approve(now)

    @property
    def unsettled(self) -> bool:
        """Whether something is still to happen to it by itself."""
        if self.state is State.HELD:
            return self.resume_at < math.inf
        return not self.state.resting and self.state is not State.REMOVED

    def forget_failures(self) -> None:
        """Begin all counts of restarts anew; what is the case stays as it is."""
        self.restarts = 0
        self.attempts = 0
        self.crashes.forget()
        for window in self.windows:
            window.clear()

    def leave_ready(self, now: float) -> None:
        """It is ready no longer; healthy time that lasted long enough ends the row of failures."""
        # A row of failures ends by healthy time, not by a mere start: else a child that dies 5 s after each start is
        # restarted without delay for ever.
        if (
            self.ready_since is not None
            and self._healthy_until(now) - self.ready_since >= self.policy.backoff.reset_after
        ):
            self.attempts = 0
            self.crashes.forget_same()
        self.ready_since = None

    def _healthy_until(self, now: float) -> float:
        # Not the edge but the first of the failures that led to it: three failed probes at a period of 30 s take longer
        # than `reset_after`, and a child that hangs after each start would be restarted without delay for ever.
        since = self.failing_since
        return now if since is None else min(since, now)

    def is_held_by_remains(self, generation: int) -> bool:
        """Whether it would run, if that life could have been killed."""
        unkillable = self.last_exit is not None and self.last_exit.how is How.UNKILLABLE
        held = self.state is State.HELD and self.desired is Desired.UP
        return held and unkillable and generation == self.generation

    def is_present(self, generation: int) -> bool:
        """Whether a fact of that generation is about the present life."""
        return self.up and generation == self.generation
