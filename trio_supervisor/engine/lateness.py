"""Time in which nobody ran, because this program or the machine was suspended: seen when somebody wakes up too late."""

import trio

LATE = 1.0
"""Seconds: a wake-up that is later than this is put down to lost time. A busy program is late too, but not so much."""


def time_lost(deadline: float, late_from: float = LATE) -> float:
    """How many seconds were lost before whoever wanted to wake up at `deadline` did; 0 if he is in time, or nearly.

    More than `late_from` (seconds) is put down to lost time. It is the least that was lost: of the time before the
    deadline nobody knows.
    """
    late = trio.current_time() - deadline
    return late if late > late_from else 0.0
