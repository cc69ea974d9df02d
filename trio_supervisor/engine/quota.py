"""Until when a quota is used up, as a line of output says it. Here alone the time of day counts, not that of the clock
that can't jump.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from trio_supervisor.spec import Quota

LONGEST = 8 * 86400.0
"""Seconds: what a line says is believed up to this."""
JUST_OVER = 600.0
"""Seconds: a time of day that has passed only just is not the same time tomorrow."""

_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*([aApP])?\.?(?:[mM]\.?)?(?:\s*\(?(UTC|GMT|Z)\)?)?")
_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)d)?\s*(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m)?\s*(?:(\d+(?:\.\d+)?)s)?")
_UNITS = (86400.0, 3600.0, 60.0, 1.0)


def is_span(match: "re.Match[bytes]") -> bool:
    """Whether the line says for how long it is used up, or nothing of that; else it says until which time of day."""
    return not match.groupdict().get("until") or bool(match.groupdict().get("after"))


def seconds_left(quota: Quota, match: "re.Match[bytes]", now: datetime) -> float:
    """For how many seconds the quota is used up. `now`: the local time, with its zone."""
    groups = {name: text.decode(errors="replace").strip() for name, text in match.groupdict().items() if text}
    found = None
    if "after" in groups:
        found = _after(groups["after"])
    elif "until" in groups:
        found = _until(groups["until"], now)
    if found is None or found <= 0:
        return quota.wait
    return min(found, LONGEST)


def _after(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        parts = _SPAN.fullmatch(text)
    if parts is None:
        return None
    return sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True) if part)


def _until(text: str, now: datetime) -> float | None:
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text) - now.timestamp()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _time_of_day(text, now)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=now.tzinfo)
    return (moment - now).total_seconds()


def _time_of_day(text: str, now: datetime) -> float | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    if found[4]:
        hour = hour % 12 + (12 if found[4] in "pP" else 0)
    zone: tzinfo | None = UTC if found[5] else now.tzinfo
    there = now.astimezone(zone)
    try:
        moment = there.replace(hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        return None
    left = (moment - there).total_seconds()
    if left < -JUST_OVER:
        left = (moment + timedelta(days=1) - there).total_seconds()
    return left
