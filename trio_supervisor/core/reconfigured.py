"""Somebody has written it anew: what changes in place, in the lives that children have."""

import math

from trio_supervisor.core import expiry, probes
from trio_supervisor.core.adopting import adopt
from trio_supervisor.core.child import Child
from trio_supervisor.core.commands import WatchReadiness
from trio_supervisor.core.facts import Reconfigured
from trio_supervisor.core.health import Health
from trio_supervisor.core.policy import AtLimit, ChildPolicy, ReadyBy, TreePolicy
from trio_supervisor.core.state import State
from trio_supervisor.core.tree import Tree
from trio_supervisor.core.window import Window
from trio_supervisor.core.windows import renew_windows
from trio_supervisor.record import changed

_LIVE = frozenset({State.STARTING, State.RUNNING, State.READY, State.UNHEALTHY})


def reconfigured(tree: Tree, fact: Reconfigured, now: float) -> None:
    """Go by it from now on. Who is to end anyway ends as it was."""
    if tree.shutting_down:
        return
    if fact.tree is not None:
        _change_tree(tree, fact.tree)
    tree.to_come = set(fact.order) - tree.children.keys()
    at_once = {name: policy for name, policy in fact.children.items() if name in tree.children}
    later = {name: policy for name, policy in fact.later.items() if name in tree.children}
    _change_edges(tree, at_once | later)
    for name, policy in at_once.items():
        _change(tree, tree.children[name], policy, now, fact.draw)
    for name, policy in later.items():
        _change_later(tree, tree.children[name], policy, now)
    _put_in_order(tree, fact.order)


def _change_tree(tree: Tree, policy: TreePolicy) -> None:
    old = tree.policy
    if (policy.profile, policy.dynamic, policy.template) != (old.profile, old.dynamic, old.template):
        raise ValueError("profile and template of a supervisor stay as they are as long as it lives")
    tree.policy = policy
    tree.places.resize(policy.max_parallel_starts)
    if policy.intensity != old.intensity:
        times = tree.window.times
        tree.window = Window(policy.intensity)
        for when in times:
            tree.window.add(when)
    if (policy.intensity, policy.at_limit) != (old.intensity, old.at_limit):
        for child in tree.children.values():
            renew_windows(tree, child)
    if policy.at_limit is not AtLimit.PAUSE:
        tree.paused_until = 0.0


def _change_edges(tree: Tree, policies: dict[str, ChildPolicy]) -> None:
    """Let all of them depend on what they are to depend on, and look at each again."""
    other = {name: policy for name, policy in policies.items() if _edges(policy) != _edges(tree.children[name].policy)}
    tree.graph.change(other, lambda name: tree.children[name].state.alive)
    for name, policy in other.items():
        tree.changed.append(name)
        tree.changed.extend(policy.binds_to)


def _edges(policy: ChildPolicy) -> object:
    return dict(policy.depends_on), policy.binds_to


def _change_later(tree: Tree, child: Child, policy: ChildPolicy, now: float) -> None:
    if not child.state.alive:
        adopt(tree, child, policy, now)
        return
    child.policy = changed(child.policy, depends_on=policy.depends_on, binds_to=policy.binds_to)
    child.next_policy = policy


def _change(tree: Tree, child: Child, policy: ChildPolicy, now: float, draw: float) -> None:
    old = child.policy
    adopt(tree, child, policy, now)
    if not child.up or child.state not in _LIVE:
        return
    _change_deadline(tree, child, old, now)
    _change_startup(tree, child, now)
    _change_readiness(tree, child, old, now)
    _change_health(tree, child)
    expiry.renew(tree, child, old, now, draw)


def _change_deadline(tree: Tree, child: Child, old: ChildPolicy, now: float) -> None:
    """A start that is under way has more time, or less."""
    new, due = child.policy.start_deadline, tree.timers.get(child.id)
    if new == old.start_deadline or child.was_ready or (child.startup and child.startup.good):
        return
    if old.start_deadline == math.inf:
        tree.timers.set(child.id, now + new)
    elif due is not None:
        # It may have been extended, and stays so.
        tree.timers.set(child.id, due - old.start_deadline + new)


def _change_startup(tree: Tree, child: Child, now: float) -> None:
    if child.startup is not None and child.policy.startup is not None:
        child.startup.thresholds = child.policy.startup
    elif child.startup is not None:
        over, child.startup = child.startup.good, None
        if not over:
            probes.pass_startup(tree, child, "there is no startup probe any more", now)
    elif child.policy.startup is not None and child.state is not State.STARTING:
        # Its start is past that.
        child.startup = Health(child.policy.startup, good=True)


def _change_readiness(tree: Tree, child: Child, old: ChildPolicy, now: float) -> None:
    if child.readiness is not None:
        child.readiness.thresholds = child.policy.readiness
    if old.ready_by is child.policy.ready_by or child.state is State.STARTING or probes.is_starting_up(child):
        return
    if child.policy.ready_by is ReadyBy.PROBE and child.readiness is None:
        child.readiness = Health(child.policy.readiness, good=child.state is State.READY)
        tree.say(WatchReadiness(child.id, child.generation))
    elif child.policy.ready_by is not ReadyBy.PROBE:
        child.readiness, child.probe_failure = None, ""
        if child.state is State.RUNNING:
            probes.become_ready(tree, child, now, "there is no readiness probe any more")


def _change_health(tree: Tree, child: Child) -> None:
    if child.policy.health is None:
        child.health = None
    elif child.health is not None:
        child.health.thresholds = child.policy.health
    elif child.was_ready:
        probes.watch_health(tree, child)


def _put_in_order(tree: Tree, order: tuple[str, ...]) -> None:
    if order:
        first = {name: tree.children[name] for name in order if name in tree.children}
        all_ = first | {name: child for name, child in tree.children.items() if name not in first}
        tree.children.clear()
        tree.children.update(all_)
