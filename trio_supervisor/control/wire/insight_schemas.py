"""The schemas of what is told in depth; the twins of `insights`, to be kept in step with it."""

from collections.abc import Mapping

from trio_supervisor.control.api import Rule
from trio_supervisor.control.insights import Role
from trio_supervisor.control.wire.forms import Form
from trio_supervisor.control.wire.parts import NUMBER, STATE, TIME, TRUTH, WORDS, list_of, or_null, ref, whole


def schemas() -> Mapping[str, Form]:
    """By name."""
    real: Form = {"type": "number"}
    use = whole({"used": NUMBER, "restarts": NUMBER, "within": or_null(real), "shared": TRUTH})
    return {
        "Usage": whole({"cpu_seconds": real, "memory_bytes": NUMBER, "processes": NUMBER}),
        "Ground": whole(
            {
                "rule": {"enum": [each.value for each in Rule]},
                "text": WORDS,
                "numbers": {"type": "object", "additionalProperties": {"type": ["number", "boolean"]}},
            }
        ),
        "Explanation": whole(
            {
                "agent": ref("Agent"),
                "next": {**WORDS, "description": "what comes next"},
                "standing": {**list_of("Ground"), "description": "each rule, with its numbers as they are now"},
                "decisions": {**list_of("Event"), "description": "the last ones, the latest last"},
            }
        ),
        "Use": use,
        "Need": whole({"agent": WORDS, "condition": WORDS, "state": WORDS, "met": TRUTH}),
        "Node": whole(
            {
                "agent": WORDS,
                "kind": WORDS,
                "state": or_null(STATE),
                "restart": or_null(WORDS),
                "depends_on": list_of("Need"),
                "limits": list_of("Use"),
                "supervisor": or_null(
                    whole({"strategy": WORDS, "profile": WORDS, "at_limit": WORDS, "intensity": ref("Use")})
                ),
            }
        ),
        "Nodes": whole({"nodes": list_of("Node")}),
        "Probed": whole(
            {
                "agent": WORDS,
                "probe": {"enum": [each.value for each in Role]},
                "what": WORDS,
                "ok": {**or_null(TRUTH), "description": "null: it can't be asked"},
                "detail": WORDS,
                "seconds": real,
            }
        ),
        "Answers": whole({"answers": list_of("Probed")}),
        "Endpoint": whole(
            {
                "agent": WORDS,
                "generation": NUMBER,
                "host": WORDS,
                "port": NUMBER,
                "url": WORDS,
                "protocol": WORDS,
                "since": TIME,
                "card": {"description": "its A2A agent card, or null"},
            }
        ),
        "Endpoints": whole({"endpoints": list_of("Endpoint")}),
        "EndpointChange": whole({"ready": TRUTH, "reason": WORDS, "endpoint": ref("Endpoint")}),
    }
