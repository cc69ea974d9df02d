"""So much per time as people write it: `5/h`, `20/day`, `0.50/30m`."""

import re

from trio_supervisor.config.durations import parse_duration
from trio_supervisor.spec import Rate

_WORDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0, "week": 604800.0}

PATTERN = r"^[0-9]+(\.[0-9]+)?\s*/\s*([a-z]+|[0-9.]+(h|m|s|ms)[0-9hms.]*)$"
"""Matches every rate, and little else. Also for the schema."""

_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*(\S+)")


def parse_rate(text: str) -> Rate:
    """The rate; raises ValueError with an example when the text is none."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("write an amount per time such as 5/h, 20/day or 0.50/30m")
    within = _WORDS.get(match[2])
    return Rate(float(match[1]), parse_duration(match[2]) if within is None else within)
