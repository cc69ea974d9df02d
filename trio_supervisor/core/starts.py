"""How lives begin: at once, or as soon as dependencies, bonds and the number of parallel starts allow."""

from trio_supervisor.core.adopting import adopt
from trio_supervisor.core.child import Child, StopCause
from trio_supervisor.core.commands import StartChild
from trio_supervisor.core.dependencies import Answer
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.notices import TreeStarted
from trio_supervisor.core.state import State
from trio_supervisor.core.stops import stop, stop_in_turn
from trio_supervisor.core.tree import Tree

_START_OVER = frozenset({State.READY, State.UNHEALTHY, State.REMOVED})
_DOWN_FOR_BOUND = frozenset(State) - {
    State.STARTING,
    State.RUNNING,
    State.READY,
    State.UNHEALTHY,
    State.DRAINING,
    State.FINISHED,
}


def begin(tree: Tree, child: Child, now: float) -> None:
    """Begin the next life of a child that is WAITING."""
    if child.next_policy is not None:
        adopt(tree, child, child.next_policy, now)
    child.begin_life(now)
    tree.timers.set(child.id, now + child.policy.start_deadline)
    reason = child.restart_reason if child.generation > 1 else ""
    tree.enter(child, State.STARTING, now, reason, next_at=tree.timers.get(child.id))
    tree.say(StartChild(child.id, child.generation, child.restarts, reason))


def want_start(
    tree: Tree, child: Child, now: float, why: str, exit: Exit | None = None, grounds: tuple[Ground, ...] = ()
) -> None:
    """Start as soon as possible."""
    _, obstacle = ask(tree, child)
    if not obstacle and tree.places.full:
        obstacle = f"waiting until fewer than {tree.policy.max_parallel_starts} others start"
    tree.enter(child, State.WAITING, now, "; ".join(filter(None, (why, obstacle))), exit=exit, grounds=grounds)


def ask(tree: Tree, child: Child) -> tuple[Answer, str]:
    """Whether a child may start, and what is in the way."""
    answer, obstacle = tree.graph.ask(child.id, tree.state_for_others)
    if answer is Answer.YES and (names := tree.graph.bound_by(child.id)) and (bound := tree.alive(names)):
        # Stopped and started together means: down together first.
        return Answer.NOT_YET, f"waiting for {bound[0].id!r}, which is bound to it, to end"
    return answer, obstacle


def look_around(tree: Tree, name: str, now: float) -> None:
    """Let a child whose state has changed, and its neighbours in the graph, react."""
    if tree.policy.ordered:
        pass
    elif tree.shutting_down:
        _let_go(tree, name, now)
    else:
        if bound := tree.graph.bound_by(name):
            _take_bound_down(tree, name, bound, now)
        for concerned in _concerned(tree, name):
            child = tree.children.get(concerned)
            if child and (child.state is State.WAITING or child.blocked):
                _consider_start(tree, child, now)
        _note_first_start(tree, name)
    if name not in tree.children:
        tree.graph.remove(name)


def _let_go(tree: Tree, name: str, now: float) -> None:
    if not tree.state_of(name).alive:
        for needed, _ in tree.graph.needs(name):
            if child := tree.children.get(needed):
                stop_in_turn(tree, child, now)


def _concerned(tree: Tree, name: str) -> tuple[str, ...]:
    child = tree.children.get(name)
    bonds = child.policy.binds_to if child else ()
    return (name, *tree.graph.needed_by(name), *bonds)


def _take_bound_down(tree: Tree, name: str, bound: tuple[str, ...], now: float) -> None:
    if name not in tree.to_come and tree.state_of(name) in _DOWN_FOR_BOUND:
        for child in tree.alive(bound):
            if child.up and child.state is not State.STOPPING:
                # It stays desired as it is: once down it waits for what it is bound to.
                child.restart_reason, child.again = f"bound to {name!r}", Rule.BINDS_TO.value
                stop(tree, child, StopCause.ASKED, child.restart_reason, now)


def _consider_start(tree: Tree, child: Child, now: float) -> None:
    answer, obstacle = ask(tree, child)
    match answer:
        case Answer.YES if child.state is State.WAITING:
            tree.places.line_up(child.id)
        case Answer.NOT_YET if child.state is State.WAITING:
            tree.places.step_back(child.id)
        case Answer.NEVER if child.state is State.WAITING:
            tree.enter(child, State.FAILED, now, obstacle)
            child.blocked = True
        case Answer.YES | Answer.NOT_YET:
            child.again = Rule.DEPENDS_ON.value
            want_start(tree, child, now, "dependency is back")
        case Answer.NEVER:
            return


def _note_first_start(tree: Tree, name: str) -> None:
    if name not in tree.unstarted:
        return
    state = tree.state_of(name)
    if state in _START_OVER or state.resting:
        tree.unstarted.remove(name)
        if not tree.unstarted:
            tree.say(TreeStarted())
