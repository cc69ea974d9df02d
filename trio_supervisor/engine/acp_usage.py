"""What an ACP agent says that its sessions have cost: the notification `session/update` with a `usage_update`, whose
`cost {amount, currency}` is that of the session in all so far (Agent Client Protocol, 2026-06-05).
"""

import json
import math
from collections.abc import Mapping
from typing import NamedTuple


class Usage(NamedTuple):
    """What a session has cost in all."""

    session: str
    amount: float
    currency: str


def usage_in(line: bytes) -> Usage | None:
    """What a line says of that; None if it is no such notification, or has no cost."""
    try:
        message: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match message:
        case {
            "method": "session/update",
            "params": {
                "sessionId": str() as session,
                "update": {
                    "sessionUpdate": "usage_update",
                    "cost": {"amount": int() | float() as amount, "currency": str() as currency},
                },
            },
        } if isinstance(message, Mapping) and math.isfinite(amount) and amount >= 0:
            return Usage(session, float(amount), currency)
        case _:
            return None
