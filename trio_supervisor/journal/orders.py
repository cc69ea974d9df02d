"""Orders: what somebody asks of a running tree, and what of it outlasts the run."""

from trio_supervisor.journal.entries import Entry, Key, Kind, Plain
from trio_supervisor.record import record

DOWN = "down"
"""The name of the value that says that a child is to stay down: `{"state": "held" | "stopped", "reason": ...}`, with
with `"by": "limit"` or `"by": "rule"` where it is a limit of restarts or another rule that wants it.
"""
RESTARTS = "restarts"
"""The name of the value that says how often it was restarted: `{"total": ..., "in_a_row": ..., "times": [...]}`."""

ADDED = "added"
"""The name of the value that says that a child was added at run time: `{"text": ..., "start": ...}`."""

HELD, STOPPED = "held", "stopped"
LIMIT, RULE = "limit", "rule"


@record
class Order:
    """What somebody asks for."""

    verb: str
    """start, stop, restart, hold, resume, reset, remove, ...: as in the API."""
    agent: str = ""
    """The path; empty where it is for the whole tree."""
    reason: str = ""
    who: str = ""
    """`uid 1000, pid 4711`, `token operate`, `signal SIGTERM`, `program`."""
    origin: str = ""
    """From where: `control.sock`, `127.0.0.1:4711`, `console`; empty: from within the same program."""
    added: Plain = None
    """The value of `ADDED`, where somebody adds a child."""

    def entry(self, at: float) -> Entry:
        """As it stands in the journal."""
        return Entry(at, Kind.ORDER, self.agent, state=self.verb, reason=self.reason, who=self.who, origin=self.origin)


def down(state: str, reason: str, by: str = "") -> Plain:
    """The value of `DOWN`."""
    value: dict[str, Plain] = {"state": state, "reason": reason}
    return {**value, "by": by} if by else value


def values_of(order: Order) -> dict[Key, Plain]:
    """What is to be remembered with an order: the program may be killed before the order has any effect."""
    if not order.agent:
        return {}
    match order.verb:
        case "stop":
            return {(order.agent, DOWN): down(STOPPED, order.reason or "stopped by hand")}
        case "hold":
            return {(order.agent, DOWN): down(HELD, order.reason or "held by hand")}
        case "start" | "restart" | "resume":
            return {(order.agent, DOWN): None}
        case "reset":
            return {(order.agent, DOWN): None, (order.agent, RESTARTS): None}
        case "remove":
            return {(order.agent, DOWN): None, (order.agent, RESTARTS): None, (order.agent, ADDED): None}
        case "add" if order.added is not None:
            return {(order.agent, ADDED): order.added}
        case _:
            return {}
