"""What is told in depth, as JSON: explanations, nodes, answers of probes, endpoints; to plain values and back."""

import math

from trio_supervisor.control.api import Explanation
from trio_supervisor.control.insights import Endpoint, EndpointChange, Need, Node, Probed, Role, Use
from trio_supervisor.control.wire.forms import Form, event_form, ground_form, snapshot_form, timestamp
from trio_supervisor.control.wire.reader import Reader
from trio_supervisor.control.wire.records import event_of, ground_of, snapshot_of
from trio_supervisor.core.state import State
from trio_supervisor.record import changed


def explanation_form(one: Explanation) -> Form:
    """Why an agent is as it is."""
    return {
        "agent": snapshot_form(one.agent),
        "next": one.outlook,
        "standing": [ground_form(each) for each in one.standing],
        "decisions": [event_form(each) for each in one.decisions],
    }


def node_form(node: Node) -> Form:
    """A place in the tree."""
    return {
        "agent": node.agent,
        "kind": node.kind,
        "state": None if node.state is None else node.state.value,
        "restart": node.restart or None,
        "depends_on": [
            {"agent": need.agent, "condition": need.condition, "state": need.state, "met": need.met}
            for need in node.needs
        ],
        "limits": [_use_form(each) for each in node.limits],
        "supervisor": None
        if node.intensity is None
        else {
            "strategy": node.strategy,
            "profile": node.profile,
            "at_limit": node.at_limit,
            "intensity": _use_form(node.intensity),
        },
    }


def _use_form(use: Use) -> Form:
    # What lasts for ever JSON has no number for.
    within = use.within if math.isfinite(use.within) else None
    return {"used": use.used, "restarts": use.restarts, "within": within, "shared": use.shared}


def nodes_form(nodes: tuple[Node, ...]) -> Form:
    """The tree."""
    return {"nodes": [node_form(each) for each in nodes]}


def probed_form(one: Probed) -> Form:
    """An answer of a probe."""
    return {
        "agent": one.agent,
        "probe": one.probe.value,
        "what": one.what,
        "ok": one.ok,
        "detail": one.detail,
        "seconds": round(one.seconds, 6),
    }


def all_probed_form(found: tuple[Probed, ...]) -> Form:
    """Several."""
    return {"answers": [probed_form(each) for each in found]}


def endpoint_form(one: Endpoint) -> Form:
    """Where an agent is."""
    return {
        "agent": one.agent,
        "generation": one.generation,
        "host": one.host,
        "port": one.port,
        "url": one.url,
        "protocol": one.protocol,
        "since": timestamp(one.since),
        "card": one.card,
    }


def endpoints_form(endpoints: tuple[Endpoint, ...]) -> Form:
    """All of them."""
    return {"endpoints": [endpoint_form(each) for each in endpoints]}


def change_form(change: EndpointChange) -> Form:
    """One that has come, or is gone."""
    return {"ready": change.ready, "reason": change.reason, "endpoint": endpoint_form(change.endpoint)}


def form_of(one: Explanation | Node | Probed | Endpoint | EndpointChange) -> Form:
    """Any of them."""
    match one:
        case Explanation():
            return explanation_form(one)
        case Node():
            return node_form(one)
        case Probed():
            return probed_form(one)
        case Endpoint():
            return endpoint_form(one)
        case EndpointChange():
            return change_form(one)


# And back


def explanation_of(data: object) -> Explanation:
    """Why an agent is as it is."""
    form = Reader(data)
    return Explanation(
        snapshot_of(form.get("agent", dict)),
        form.get("next", str),
        form.each("standing", ground_of),
        form.each("decisions", event_of),
    )


def nodes_of(data: object) -> tuple[Node, ...]:
    """The tree."""
    return Reader(data).each("nodes", _node_of)


def _node_of(data: object) -> Node:
    form = Reader(data)
    state = form.maybe("state", str)
    node = Node(
        form.get("agent", str),
        form.get("kind", str),
        None if state is None else form.word("state", State),
        form.maybe("restart", str) or "",
        form.each("depends_on", _need_of),
        form.each("limits", _use_of),
    )
    inner = form.maybe("supervisor", dict)
    if inner is None:
        return node
    form = Reader(inner)
    return changed(
        node,
        strategy=form.get("strategy", str),
        profile=form.get("profile", str),
        at_limit=form.get("at_limit", str),
        intensity=_use_of(form.get("intensity", dict)),
    )


def _need_of(data: object) -> Need:
    form = Reader(data)
    return Need(form.get("agent", str), form.get("condition", str), form.get("state", str), form.get("met", bool))


def _use_of(data: object) -> Use:
    form = Reader(data)
    within = form.maybe_number("within")
    return Use(
        form.get("used", int),
        form.get("restarts", int),
        math.inf if within is None else within,
        form.get("shared", bool),
    )


def all_probed_of(data: object) -> tuple[Probed, ...]:
    """Answers of probes."""
    return Reader(data).each("answers", _probed_of)


def _probed_of(data: object) -> Probed:
    form = Reader(data)
    return Probed(
        form.get("agent", str),
        form.word("probe", Role),
        form.get("what", str),
        form.maybe("ok", bool),
        form.get("detail", str),
        form.number("seconds"),
    )


def endpoint_of(data: object) -> Endpoint:
    """Where an agent is."""
    form = Reader(data)
    return Endpoint(
        form.get("agent", str),
        form.get("generation", int),
        form.get("host", str),
        form.get("port", int),
        form.get("url", str),
        form.get("protocol", str),
        form.at("since"),
        form.maybe("card", object),
    )


def endpoints_of(data: object) -> tuple[Endpoint, ...]:
    """All of them."""
    return Reader(data).each("endpoints", endpoint_of)


def change_of(data: object) -> EndpointChange:
    """One that has come, or is gone."""
    form = Reader(data)
    return EndpointChange(endpoint_of(form.get("endpoint", dict)), form.get("ready", bool), form.get("reason", str))
