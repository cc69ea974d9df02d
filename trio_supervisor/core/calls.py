"""OTP's calls: what each is answered in each state (rules 41 to 47 and 58)."""

import math

from trio_supervisor.core.answers import Answer, Condition, Counts, Row, Verb
from trio_supervisor.core.asks import start_asked, take_down
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import AdmitChild, Reply
from trio_supervisor.core.exits import Exit
from trio_supervisor.core.facts import Called
from trio_supervisor.core.plan import Plan, Purpose
from trio_supervisor.core.policy import AutoShutdown, ChildPolicy, Restart
from trio_supervisor.core.state import Desired, State
from trio_supervisor.core.stops import rest
from trio_supervisor.core.tree import Tree

_REASONS = {
    Verb.START: "started by hand",
    Verb.TERMINATE: "stopped by hand",
    Verb.RESTART: "restarted by hand",
    Verb.DELETE: "removed by hand",
}


def called(tree: Tree, call: Called, now: float) -> None:
    """Decide a call; the answer may come later."""
    match call.verb:
        case Verb.WHICH:
            tree.say(Reply(call.call, Answer.OK, rows=tuple(_row(child) for child in tree.children.values())))
        case Verb.COUNT:
            tree.say(Reply(call.call, Answer.OK, counts=_counts(tree)))
        case Verb.START:
            _start(tree, call, now)
        case _ if tree.policy.template is not None and (answer := _refusal(tree, call)):
            tree.say(Reply(call.call, answer))
        case _:
            child = tree.children.get(call.child)
            if child is None:
                tree.say(Reply(call.call, Answer.NOT_FOUND))
            else:
                _change(tree, child, call, now)


def _refusal(tree: Tree, call: Called) -> Answer | None:
    """What a call to an instance of a template is answered, if it is refused (rule 46)."""
    if call.verb is Verb.SPEC:
        return None
    if call.verb is not Verb.TERMINATE:
        return Answer.SIMPLE_ONE_FOR_ONE
    if call.child in tree.children:
        return None
    base, _, serial = call.child.rpartition("-")
    gone = base == tree.policy.template and serial.isdecimal() and 0 < int(serial) <= tree.issued
    return Answer.OK if gone else Answer.SIMPLE_ONE_FOR_ONE


# Looking


def condition(child: Child) -> Condition:
    """How OTP would list a child."""
    if child.state.alive:
        return Condition.RUNNING
    return Condition.RESTARTING if child.state is State.BACKOFF else Condition.UNDEFINED


def _row(child: Child) -> Row:
    return Row(child.id, condition(child), child.generation, child.policy.supervisor)


def _counts(tree: Tree) -> Counts:
    children = tree.children.values()
    supervisors = sum(child.policy.supervisor for child in children)
    specs = 1 if tree.policy.template is not None else len(children)
    return Counts(specs, sum(child.up for child in children), supervisors, len(children) - supervisors)


# Changing


def _start(tree: Tree, call: Called, now: float) -> None:
    policy = call.policy
    assert policy is not None, "START brings the policy of the child"
    if answer := _start_refusal(tree, call.child, policy):
        tree.say(Reply(call.call, answer))
        return
    try:
        add(tree, call.child, policy, now)
    except ValueError:
        tree.say(Reply(call.call, Answer.CIRCULAR))
        return
    tree.say(AdmitChild(call.call, call.child))
    if call.idle:
        tree.say(Reply(call.call, Answer.OK))
        return
    _begin(tree, tree.children[call.child], call, now)


def _start_refusal(tree: Tree, name: str, policy: ChildPolicy) -> Answer | None:
    if policy.significant and tree.policy.auto_shutdown is AutoShutdown.NEVER:
        return Answer.BAD_SIGNIFICANT_NEVER
    if policy.significant and policy.restart is Restart.PERMANENT:
        return Answer.BAD_SIGNIFICANT_PERMANENT
    if tree.policy.dynamic and len(tree.children) >= tree.policy.max_children:
        return Answer.MAX_CHILDREN
    if child := tree.children.get(name):
        return Answer.ALREADY_STARTED if child.state.alive else Answer.ALREADY_PRESENT
    return None


def add(tree: Tree, name: str, policy: ChildPolicy, now: float) -> None:
    """Take in a child, at the end of the start order; raises ValueError if that is impossible."""
    if name in tree.children:
        raise ValueError(f"child {name!r} is there already")
    tree.graph.add(name, policy)
    tree.children[name] = Child(name, policy, now)
    tree.to_come.discard(name)
    tree.changed.append(name)


def _change(tree: Tree, child: Child, call: Called, now: float) -> None:
    match call.verb, condition(child):
        case Verb.SPEC, _:
            tree.say(Reply(call.call, Answer.OK))
        case Verb.TERMINATE, _:
            _terminate(tree, child, call, now)
        case Verb.RESTART | Verb.DELETE, Condition.RUNNING:
            tree.say(Reply(call.call, Answer.RUNNING))
        case Verb.RESTART | Verb.DELETE, Condition.RESTARTING:
            tree.say(Reply(call.call, Answer.RESTARTING))
        case Verb.RESTART, _:
            _begin(tree, child, call, now)
        case _:
            child.desired = Desired.GONE
            rest(tree, child, now, _REASONS[Verb.DELETE])
            tree.say(Reply(call.call, Answer.OK))


def _begin(tree: Tree, child: Child, call: Called, now: float) -> None:
    if tree.policy.ordered:
        child.begin_anew(now)
        tree.plan = Plan(Purpose.ASKED, reason=_REASONS[call.verb], call=call)
        tree.plan.starts.append(child.id)
    else:
        tree.callers.setdefault(child.id, []).append(call)
        start_asked(tree, child, _REASONS[call.verb] if call.verb is Verb.RESTART else "", now)


def _terminate(tree: Tree, child: Child, call: Called, now: float) -> None:
    child.desired = Desired.DOWN
    child.hold, child.hold_until = "", math.inf
    if tree.policy.ordered:
        tree.plan = Plan(Purpose.ASKED, reason=_REASONS[Verb.TERMINATE], call=call)
        tree.plan.stops.append(child.id)
    else:
        if tree.policy.dynamic:
            child.desired = Desired.GONE
        tree.callers.setdefault(child.id, []).append(call)
        take_down(tree, child, _REASONS[Verb.TERMINATE], now)
        answer_callers(tree, child.id)


def answer_callers(tree: Tree, name: str) -> None:
    """Answer those who wait for a child to be up or down, if it is now."""
    calls = tree.callers.pop(name, [])
    for call in calls:
        if reply := _reply(tree, name, call):
            tree.say(reply)
        else:
            tree.callers.setdefault(name, []).append(call)


def _reply(tree: Tree, name: str, call: Called) -> Reply | None:
    child = tree.children.get(name)
    if child is None:
        return Reply(call.call, Answer.OK if call.verb is Verb.TERMINATE else Answer.NOT_FOUND)
    if call.verb is Verb.TERMINATE:
        return None if child.state.alive else Reply(call.call, Answer.OK)
    if child.state in (State.RUNNING, State.READY, State.UNHEALTHY, State.FINISHED):
        return Reply(call.call, Answer.OK, value=child.value)
    if not child.state.resting:
        return None
    return _not_started(call, child.state, child.last_exit)


def _not_started(call: Called, state: State, exit: Exit | None) -> Reply:
    return Reply(call.call, Answer.UNDEFINED if state is State.STOPPED else Answer.START_FAILED, exit)
