"""Times on the command line."""

import re
from datetime import datetime

from trio_supervisor.config.durations import parse_duration
from trio_supervisor.errors import ConfigError


def parse_time(text: str, now: float) -> float:
    """Seconds since the epoch of a time (RFC 3339; without a zone local, without a date today) or of that long ago.

    Raises ConfigError.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            return datetime.fromisoformat(f"{datetime.fromtimestamp(now):%Y-%m-%d} {text}").timestamp()
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--since: {text!r} is neither a time (2026-11-26T20:15:00Z, '2026-11-26 20:15', 20:15) nor a duration "
            "(90s, 2h, 7d)"
        ) from None
