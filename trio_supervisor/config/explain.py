"""What decides about the restarts of each agent: what is written, and what the profile says where nothing is."""

from collections.abc import Iterator
from enum import Enum

import attrs

from trio_supervisor.config import forms
from trio_supervisor.config.durations import format_duration
from trio_supervisor.config.tables import TABLES
from trio_supervisor.core.policy import AtLimit, Backoff, ExitCodes, Intensity, Profile
from trio_supervisor.spec import FLEET_CODES, FLEET_CRASHES, ChildSpec, Limits, Rate, SupervisorSpec

_DEFAULT = "   # default"
_SPANS = {"1s": "s", "1m": "min", "1h": "h", "24h": "day", "168h": "week"}


def explain(spec: SupervisorSpec, path: str = "") -> Iterator[str]:
    """The lines for all agents of a supervisor, each with its path."""
    for name, account in spec.accounts.items():
        yield f"account {name}: {_shown(account)}"
    for child in spec.children:
        own = f"{path}/{child.id}" if path else child.id
        if isinstance(child.run, SupervisorSpec):
            yield from explain(child.run, own)
            continue
        yield f"{own}:"
        yield from (
            f"  {key}: {_shown(value)}{_DEFAULT if default else ''}" for key, value, default in _of(child, spec)
        )


def _of(child: ChildSpec, supervisor: SupervisorSpec) -> Iterator[tuple[str, object, bool]]:
    otp = supervisor.profile is Profile.OTP
    crashes = 0 if otp else FLEET_CRASHES
    limit = supervisor.intensity or (Intensity(1, 5.0) if otp else Intensity())
    at_limit = supervisor.at_limit or (AtLimit.ESCALATE if otp else AtLimit.HOLD)
    yield "restart", child.restart, child.restart is attrs.fields(ChildSpec).restart.default
    yield "intensity", child.intensity or limit, child.intensity is None and supervisor.intensity is None
    yield "at_limit", at_limit, supervisor.at_limit is None
    yield "backoff", child.backoff or ("none" if otp else Backoff()), child.backoff is None
    codes = ExitCodes() if otp else FLEET_CODES
    yield "exit_codes", child.exit_codes or codes, child.exit_codes is None
    for key in ("startup_crashes", "same_exits"):
        written = getattr(child, key)
        yield key, crashes if written is None else written, written is None
    if child.limits != Limits():
        yield "limits", child.limits, False
    for key in ("account", "budget", "quota"):
        if written := getattr(child, key):
            yield key, written, False


def _shown(value: object, kind: object = None) -> str:
    """A value as it would be written in a file."""
    match value:
        case Enum():
            return str(value.value)
        case Rate():
            within = format_duration(value.within)
            return f"{value.amount:g}/{_SPANS.get(within, within)}"
        case bool():
            return str(value).lower()
        case int() if kind is forms.Size and value % 2**20 == 0:
            return f"{value >> 20}M"
        case float() if kind in (float, forms.Limit):
            return format_duration(value)
        case float():
            return f"{value:g}"
        case tuple():
            return f"[{', '.join(_shown(one) for one in value)}]"
        case _ if type(value) in TABLES:
            return _mapping(value)
        case _:
            return str(value)


def _mapping(value: object) -> str:
    parts = []
    for key in TABLES[type(value)].values():
        part = getattr(value, key.attribute)
        if part is None or part in ((), {}):
            continue
        parts.append(f"{key.name}: {_shown(part, key.type)}")
    return f"{{{', '.join(parts)}}}"
