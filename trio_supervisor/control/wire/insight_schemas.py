"""The schemas of what is told in depth; the twins of `insights`, to be kept in step with it."""

from collections.abc import Callable, Mapping

from trio_supervisor.control.api import Rule
from trio_supervisor.control.insights import Role
from trio_supervisor.control.wire.forms import Form

All = Callable[..., Form]


def schemas(
    whole: All, or_null: Callable[[Form], Form], words: Form, number: Form, time: Form, state: Form
) -> Mapping[str, Form]:
    """By name; the arguments are what the others are made with. `whole`: an object with these properties, all of which
    are there.
    """
    boolean: Form = {"type": "boolean"}
    real: Form = {"type": "number"}
    use = whole({"used": number, "restarts": number, "within": or_null(real), "shared": boolean})
    return {
        "Usage": whole({"cpu_seconds": real, "memory_bytes": number, "processes": number}),
        "Ground": whole(
            {
                "rule": {"enum": [each.value for each in Rule]},
                "text": words,
                "numbers": {"type": "object", "additionalProperties": {"type": ["number", "boolean"]}},
            }
        ),
        "Explanation": whole(
            {
                "agent": _ref("Agent"),
                "next": {**words, "description": "what comes next"},
                "standing": {**_list("Ground"), "description": "each rule, with its numbers as they are now"},
                "decisions": {**_list("Event"), "description": "the last ones, the latest last"},
            }
        ),
        "Use": use,
        "Need": whole({"agent": words, "condition": words, "state": words, "met": boolean}),
        "Node": whole(
            {
                "agent": words,
                "kind": words,
                "state": or_null(state),
                "restart": or_null(words),
                "depends_on": _list("Need"),
                "limits": _list("Use"),
                "supervisor": or_null(
                    whole({"strategy": words, "profile": words, "at_limit": words, "intensity": _ref("Use")})
                ),
            }
        ),
        "Nodes": whole({"nodes": _list("Node")}),
        "Probed": whole(
            {
                "agent": words,
                "probe": {"enum": [each.value for each in Role]},
                "what": words,
                "ok": {**or_null(boolean), "description": "null: it can't be asked"},
                "detail": words,
                "seconds": real,
            }
        ),
        "Answers": whole({"answers": _list("Probed")}),
        "Endpoint": whole(
            {
                "agent": words,
                "generation": number,
                "host": words,
                "port": number,
                "url": words,
                "protocol": words,
                "since": time,
                "card": {"description": "its A2A agent card, or null"},
            }
        ),
        "Endpoints": whole({"endpoints": _list("Endpoint")}),
        "EndpointChange": whole({"ready": boolean, "reason": words, "endpoint": _ref("Endpoint")}),
    }


def _ref(name: str) -> Form:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Form:
    return {"type": "array", "items": _ref(name)}
