"""Brings a tree to what is written: first what changes in place, then what ends, then what begins.

Removals and lives that are replaced end before anybody is added: what they hold (a port) may be wanted by those that
come. Whoever depends on one that comes waits for it. Whoever gives it up in mid-way leaves a tree that a further plan
describes truly; nobody is left between two specs.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import trio

from trio_supervisor.control import asking
from trio_supervisor.control.api import Action, AgentChange, Desired, State
from trio_supervisor.control.planning import Level, Planned, in_order
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import Reply
from trio_supervisor.core.facts import RestartAsked
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ChildStartError, ConflictError, NotKilledError, SupervisorError
from trio_supervisor.spec import ChildSpec
from trio_supervisor.vault import note_secret_sources

_TOLD = 10
"""So many changes are named in the journal."""
REMOVED = "no longer in the file"
_THERE = frozenset({*asking.UP, State.FINISHED})

Step = tuple[str, Callable[[], Awaitable[None]]]
"""The id of a child, and what has to be done and waited for."""


def check(planned: Planned) -> None:
    """Nothing moves yet. Raises ConflictError, SpecError: something of it can't be done, so nothing is."""
    if planned.refusals:
        raise ConflictError("\n".join(planned.refusals))
    for level in planned.levels:
        if level.engine.ending is not None:
            raise ConflictError(f"nothing is started any more: {level.engine.ending.reason}")
        for spec in (*level.at_once, *level.later, *level.added):
            level.engine.trial_policy(spec)


class Applying:
    """One of them."""

    def __init__(self, planned: Planned) -> None:
        self._planned = planned
        self._levels = [level for level in planned.levels if not level.idle]
        self._why = {change.agent: ", ".join(change.because) for change in planned.changes}
        still = (Action.KEEP, Action.CHANGE)
        self._moving = ", ".join(change.agent for change in planned.changes if change.action not in still)
        self._errors: dict[str, SupervisorError] = {}
        self._awaited: dict[str, Callable[[], str]] = {}
        self._begun: list[tuple[Supervisor, Child, int]] = []
        """Who is to have a new life, and the number of the one before."""

    @property
    def words(self) -> str:
        """What it does, for the journal."""
        moves = [change for change in self._planned.changes if change.action is not Action.KEEP]
        said = [f"{change.action.value} {change.agent or 'the supervisor'}" for change in moves[:_TOLD]]
        return ", ".join(said + [f"and {len(moves) - _TOLD} more"] * (len(moves) > _TOLD)) or "nothing to change"

    @property
    def awaits(self) -> str:
        """What is waited for, in words."""
        return "; ".join(f"{path}, now {words()}" for path, words in self._awaited.items()) or self._moving

    def begin(self) -> None:
        """Change what changes in place. No checkpoint: nothing can come between the plan and this."""
        note_secret_sources(self._planned.written.spec)
        self._planned.levels[0].engine.accounts.change(self._planned.written.spec.accounts)
        for level in self._levels:
            level.engine.change(level.change)
        for change in self._planned.changes:
            if change.action is Action.CHANGE and change.agent and not change.note:
                self._tell(change)

    def _tell(self, change: AgentChange) -> None:
        """Who reads what a child says sees from where on it goes by something else."""
        way, _, name = change.agent.rpartition("/")
        engine = next((level.engine for level in self._levels if level.engine.path == way), None)
        life = None if engine is None else engine.life(name)
        if life is not None and not life.over:
            life.say(f"changed in place: {', '.join(change.fields)}")

    async def run(self) -> None:
        """Do the rest; returns when all of it is there. Raises ConflictError, ChildStartError: some of it is not."""
        await self._all(self._removals)
        await self._all(self._ends)
        await self._all(self._begins)
        self._raise_errors()

    async def _all(self, steps: Callable[[Level], list[Step]]) -> None:
        async with trio.open_nursery() as nursery:
            for level in self._levels:
                for id, step in steps(level):
                    nursery.start_soon(self._one, level.engine, id, step)

    async def _one(self, engine: Supervisor, id: str, step: Callable[[], Awaitable[None]]) -> None:
        path = engine.path_of(id)
        self._awaited[path] = partial(_words, engine, id)
        try:
            await step()
        except SupervisorError as error:
            self._errors[path] = error
        finally:
            del self._awaited[path]

    def _raise_errors(self) -> None:
        errors = list(self._errors.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            text = "\n".join(str(error) for error in errors)
            lost = any(isinstance(error, NotKilledError) for error in errors)
            raise (NotKilledError if lost else ConflictError)(text)

    # Removals

    def _removals(self, level: Level) -> list[Step]:
        engine = level.engine
        going = {id: child for id in level.removed if (child := engine.children.get(id))}
        specs = {id: kept.spec for id in going if (kept := engine.kept(id))}
        steps: list[Step] = []
        for id, child in going.items():
            users = [going[other] for other, spec in specs.items() if id in spec.depends_on]
            steps.append((id, partial(_remove, engine, child, users)))
        return steps

    # New lives, and those that come

    def _ends(self, level: Level) -> list[Step]:
        """The new ones begin by themselves, as soon as what they depend on is there."""
        engine = level.engine
        steps: list[Step] = []
        for id in level.replaced:
            if (child := engine.children.get(id)) and not engine.over:
                before = child.generation
                engine.post(RestartAsked(id, f"changed: {self._why[engine.path_of(id)]}"))
                steps.append((id, partial(_wait_ended, engine, child, before)))
                self._begun.append((engine, child, before))
        return steps

    def _begins(self, level: Level) -> list[Step]:
        engine = level.engine
        steps: list[Step] = [
            (child.id, partial(_wait_up, engine, child, before)) for of, child, before in self._begun if of is engine
        ]
        for spec in in_order(level.added):
            if engine.over:
                break
            going = engine.children.get(spec.id)
            if going is not None:
                steps.append((spec.id, partial(_add_after, engine, going, spec)))
                continue
            try:
                id, answer = engine.post_start(spec)
            except SupervisorError as error:
                self._errors[engine.path_of(spec.id)] = error
            else:
                steps.append((id, partial(wait_added, engine, id, answer)))
        return steps


async def _remove(engine: Supervisor, child: Child, users: Iterable[Child]) -> None:
    """After those that need it and go as well."""
    for user in users:
        while user.state is not State.REMOVED and not engine.over:
            await engine.wait_change()
    await asking.remove(engine, child, REMOVED)
    asking.check_killed(engine, child)


async def _add_after(engine: Supervisor, going: Child, spec: ChildSpec) -> None:
    """When the one of the same id is gone that somebody removes, or else it is as good as there."""
    while going.state is not State.REMOVED and not engine.over:
        await engine.wait_change()
    id, answer = engine.post_start(spec)
    await wait_added(engine, id, answer)


async def wait_added(engine: Supervisor, id: str, answer: Callable[[], Awaitable[Reply]]) -> None:
    """Wait for a child to be up that was added a moment ago. Raises ChildStartError, CallError, ConflictError."""
    await _taken_in(engine)
    child = engine.children.get(id)
    if child is None:
        # It was refused, or waits for its turn.
        asking.checked(engine.path_of(id), await answer())
    else:
        await _wait_up(engine, child, 0)


async def _wait_ended(engine: Supervisor, child: Child, before: int) -> None:
    """Wait for the end of a life, or of the whole."""
    await _taken_in(engine)
    while child.generation == before and child.state.alive and not engine.over:
        await engine.wait_change()


async def _wait_up(engine: Supervisor, child: Child, before: int) -> None:
    """Wait for a life after that one to be up; a first start that fails is told at once, whatever follows."""
    await _taken_in(engine)
    path = engine.path_of(child.id)
    while not (child.generation > before and child.state in _THERE):
        if engine.ending is not None:
            raise ConflictError(f"{path}: nothing is started any more: {engine.ending.reason}")
        if engine.over or child.desired is not Desired.UP:
            raise ConflictError(f"{path}: somebody else wants it otherwise: {child.reason}")
        failed = child.generation > before and child.state is State.BACKOFF
        if failed or (child.state.resting and not engine.busy and not engine.has_waiting):
            asking.check_killed(engine, child)
            raise ChildStartError(path, child.last_exit, f"{child.state.value}: {child.reason}")
        await engine.wait_change()


async def _taken_in(engine: Supervisor) -> None:
    while engine.has_waiting and not engine.over:
        await engine.wait_change()


def _words(engine: Supervisor, id: str) -> str:
    child = engine.children.get(id)
    if child is None:
        return "not there"
    return f"{child.state.value}: {child.reason}" if child.reason else child.state.value
