"""Erlang's words: exit reasons, the results of start functions, and what OTP says of specs that can't be right."""

from collections.abc import Mapping, Sequence
from typing import Any

from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import ChildStartError

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
MODES = ("never", "any_significant", "all_significant")
RESTARTS = ("permanent", "transient", "temporary")

Json = Mapping[str, Any]


def term(value: object) -> str:
    """A JSON value as Erlang writes it; strings are atoms."""
    if isinstance(value, bool):
        return str(value).lower()
    return "undefined" if value is None else str(value)


# Reasons


def exit_by_itself(reason: str) -> Exit:
    """How a child ends that ends by itself, or is killed, with this reason."""
    match reason:
        case "normal":
            return Exit(How.RETURNED)
        case "shutdown":
            return Exit(How.SHUT_DOWN)
        case "kill" | "killed":
            return Exit(How.KILLED)
        case _ if reason.startswith("{shutdown,"):
            return Exit(How.SHUT_DOWN, value=reason[len("{shutdown,") : -1])
        case _:
            return Exit(How.RAISED, detail=reason)


def reason_of(exit: Exit) -> str:
    """The exit reason that stands for an end."""
    match exit.how:
        case How.RETURNED:
            return "normal"
        case How.CANCELLED | How.GAVE_UP:
            return "shutdown"
        case How.SHUT_DOWN:
            return "shutdown" if exit.value is None else f"{{shutdown,{exit.value}}}"
        case How.KILLED | How.OUT_OF_MEMORY:
            return "killed"
        case _ if isinstance(exit.exception, ChildStartError):
            return failed_to_start(exit.exception)
        case _:
            return exit.detail


def failed_to_start(error: ChildStartError) -> str:
    """The reason with which a supervisor ends that could not start a child (rule 10)."""
    inner = reason_of(error.exit) if error.exit else "undefined"
    return f"{{shutdown,{{failed_to_start_child,{error.child},{inner}}}}}"


def start_reason(outcome: str, *, dynamic: bool) -> str:
    """The reason of a start that failed in this way (rule 7; Elixir catches by itself)."""
    match outcome:
        case "error":
            return "boom"
        case "crash":
            return "crash_in_start" if dynamic else "{'EXIT',crash_in_start}"
        case "throw":
            return "{nocatch,thrown_in_start}" if dynamic else "thrown_in_start"
        case "bad":
            return "not_a_start_result"
        case _:
            return outcome


# Specs that can't be right


def flags_error(flags: Json) -> str | None:
    """What is wrong with the flags of a supervisor (rule 5), in OTP's order."""
    strategy, mode = flags.get("strategy", "one_for_one"), flags.get("auto_shutdown", "never")
    intensity, period = flags.get("intensity", 1), flags.get("period_ms", 5000)
    found = None
    if strategy not in STRATEGIES:
        found = f"{{invalid_strategy,{term(strategy)}}}"
    elif not _is_int(intensity) or intensity < 0:
        found = f"{{invalid_intensity,{term(intensity)}}}"
    elif not _is_int(period) or period <= 0:
        found = f"{{invalid_period,{term(period // 1000 if _is_int(period) else period)}}}"
    elif mode not in MODES:
        found = f"{{invalid_auto_shutdown,{term(mode)}}}"
    elif strategy == "simple_one_for_one" and mode != "never":
        found = f"{{bad_combination,[{{auto_shutdown,{mode}}},{{strategy,simple_one_for_one}}]}}"
    return f"{{supervisor_data,{found}}}" if found else None


def specs_error(children: Sequence[Json], mode: str) -> str | None:
    """What is wrong with the children of a supervisor: the first mistake in list order (rule 6)."""
    seen = set()
    for child in children:
        found = spec_error(child, mode)
        if found is None and child["id"] in seen:
            found = f"{{duplicate_child_name,{child['id']}}}"
        if found:
            return f"{{start_spec,{found}}}"
        seen.add(child["id"])
    return None


def spec_error(child: Json, mode: str) -> str | None:
    """What is wrong with a child (table 1.2), in OTP's order."""
    restart, significant = child.get("restart", "permanent"), child.get("significant", False)
    kind, shutdown = child.get("type", "worker"), child.get("shutdown", 5000)
    if "id" not in child:
        return "missing_id"
    if child.get("omit_start"):
        return "missing_start"
    if restart not in RESTARTS:
        return f"{{invalid_restart_type,{term(restart)}}}"
    if not isinstance(significant, bool):
        return f"{{invalid_significant,{term(significant)}}}"
    if significant and mode == "never":
        return "{bad_combination,[{auto_shutdown,never},{significant,true}]}"
    if significant and restart == "permanent":
        return "{bad_combination,[{restart,permanent},{significant,true}]}"
    if kind not in ("worker", "supervisor"):
        return f"{{invalid_child_type,{term(kind)}}}"
    if shutdown not in ("infinity", "brutal_kill") and not (_is_int(shutdown) and shutdown >= 0):
        return f"{{invalid_shutdown,{term(shutdown)}}}"
    return None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
