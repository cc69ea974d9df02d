"""Durations as people write them: `500ms`, `30s`, `5m`, `1h30m`, `24h`, `30d`."""

import math
import re

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_AMOUNT = r"[0-9]+(?:\.[0-9]+)?"

PATTERN = rf"^(?=[0-9])({_AMOUNT}d)?({_AMOUNT}h)?({_AMOUNT}m)?({_AMOUNT}s)?({_AMOUNT}ms)?$"
"""Matches every duration with a unit; each unit once, the largest first. Also for the schema."""

_DAY = 86_400_000

_DURATION = re.compile(PATTERN.replace("$", r"\Z"))


def parse_duration(text: str) -> float:
    """Seconds; raises ValueError with an example when the text is no duration with a unit."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError("write a duration such as 500ms, 30s, 5m, 1h30m or 24h")
    parts = zip(match.groups(), _UNITS, strict=True)
    seconds = math.fsum(float(part.removesuffix(unit)) * _UNITS[unit] for part, unit in parts if part)
    if not math.isfinite(seconds):
        raise ValueError("this duration is too long")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest exact form, down to a millisecond: `1h30m`, `500ms`, `0s`, `24h`, `2d`, `infinity`."""
    if seconds == math.inf:
        return "infinity"
    rest = round(seconds * 1000)
    if rest > _DAY and rest % _DAY == 0:
        return f"{rest // _DAY}d"
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
