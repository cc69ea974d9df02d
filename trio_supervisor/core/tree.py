"""What the machine remembers of its supervisor, and the only ways to write it: `enter` for states, `say` for
outputs.
"""

import math
from collections import deque
from collections.abc import Iterable

from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import ForgetChild, Output
from trio_supervisor.core.dependencies import Graph
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import Called
from trio_supervisor.core.grounds import Ground
from trio_supervisor.core.notices import Cause, StateChanged
from trio_supervisor.core.places import Places
from trio_supervisor.core.plan import DecideExit, Item, Plan
from trio_supervisor.core.policy import Strategy, TreePolicy
from trio_supervisor.core.state import State
from trio_supervisor.core.timers import Timers
from trio_supervisor.core.window import Window

TREE = ""
"""The key of the timer that is not a child's: the deadline of the whole stop. No child has an empty id."""

_WATCHED = frozenset({State.STARTING, State.RUNNING, State.READY})


class Tree:
    """The shared state of one machine: all its parts read it, and write it through the methods here."""

    def __init__(self, policy: TreePolicy) -> None:
        self.policy = policy
        self.children: dict[str, Child] = {}
        """In start order."""
        self.graph = Graph()
        self.window = Window(policy.intensity)
        self.timers = Timers()
        self.clocks = Timers()
        """When the limits of a life have to be looked at, by child."""
        self.places = Places(policy.max_parallel_starts)
        self.unsettled = 0
        self.stopping: str | None = None
        """Why everything is to end; None as long as it is not."""
        self.cause = Cause.ASKED
        """Why everything is to end, as far as it is."""
        self.hurry = False
        self.paused_until = 0.0
        """No restart before, because the limit was reached (`AtLimit.PAUSE`)."""
        self.plan: Plan | None = None
        self.queue: deque[Item] = deque()
        """What is to be decided when the plan is done, in order."""
        self.changed: deque[str] = deque()
        """Children whose state has changed since their neighbours in the graph were looked at."""
        self.callers: dict[str, list[Called]] = {}
        """Those who wait for a child to be started or stopped (profile fleet)."""
        self.kept_down: set[str] = set()
        """Those that do not take part in the first start: an earlier run has left them held, or stopped by hand."""
        self.to_come: set[str] = set()
        """Those that are written and not there yet: who depends on one waits for it."""
        self.unstarted: set[str] = set()
        """Profile fleet: those of the first start that were not ready yet."""
        self.issued = 0
        """How many names of instances were given out."""
        self.out: list[Output] = []

    @property
    def shutting_down(self) -> bool:
        """Whether everything is to end."""
        return self.stopping is not None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to run and nothing to do."""
        return self.unsettled == 0 and self.plan is None and not self.queue

    @property
    def busy(self) -> bool:
        """Whether a plan is under way, or something waits for its turn."""
        return self.plan is not None or bool(self.queue)

    @property
    def grouped(self) -> bool:
        """Whether a restart may concern more than one child."""
        return self.policy.strategy in (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)

    def say(self, *outputs: Output) -> None:
        """Give something out."""
        self.out.extend(outputs)

    def enter(
        self,
        child: Child,
        state: State,
        now: float,
        reason: str,
        next_at: float | None = None,
        exit: Exit | None = None,
        grounds: tuple[Ground, ...] = (),
    ) -> None:
        """Bring a child into another state, with all that depends on it. `grounds`: what was decided by."""
        old, before = child.state, child.unsettled
        child.enter(state, now, reason)
        self.unsettled += child.unsettled - before
        if old.alive != state.alive:
            self.graph.note_life(child.id, alive=state.alive)
        if next_at is None:
            self.timers.clear(child.id)
        if state not in _WATCHED:
            self.clocks.clear(child.id)
        self.places.step_back(child.id)
        if state not in (State.STARTING, State.RUNNING):
            self.places.give_back(child.id)
        self.changed.append(child.id)
        told = (child.id, child.generation, old, state, reason, next_at, child.restarts, exit)
        self.out.append(StateChanged(*told, grounds, child.failing_since))

    def hold_for_good(self, child: Child) -> None:
        """A child that is held is not resumed by itself any more."""
        before = child.unsettled
        child.resume_at = math.inf
        self.unsettled += child.unsettled - before
        self.timers.clear(child.id)

    def remove(self, child: Child, now: float, reason: str, exit: Exit | None = None) -> None:
        """Forget a child of which nothing is left."""
        if child.pending:
            self.enter(child, State.STOPPED, now, reason, exit=exit)
        self.enter(child, State.REMOVED, now, reason, exit=exit)
        del self.children[child.id]
        self.say(ForgetChild(child.id))

    def state_of(self, name: str) -> State:
        """The state of a child; REMOVED if there is none."""
        child = self.children.get(name)
        return child.state if child else State.REMOVED

    def state_for_others(self, name: str) -> State:
        """The same for who depends on it: WAITING if it is to come."""
        return State.WAITING if name in self.to_come else self.state_of(name)

    def alive(self, names: Iterable[str]) -> list[Child]:
        """Those of the children that have a life, over or not."""
        return [child for name in names if (child := self.children.get(name)) and child.state.alive]

    def put_down(self, child: Child) -> None:
        """Have the end of a life decided in its turn."""
        self.queue.append(DecideExit(child.id, child.generation))
