"""The pauses between two tries to reach an engine, in seconds: each twice as long as the one before."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


def longer(pause: float, longest: float = LONGEST_PAUSE) -> float:
    """The pause after this one."""
    return min(2 * pause, longest)
