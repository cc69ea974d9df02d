"""The delay before the n-th restart in a row."""

from trio_supervisor.core.policy import Backoff


def delay(policy: Backoff, attempt: int, draw: float) -> float:
    """Seconds to wait before restart number `attempt` in a row (1 is the first).

    The first is immediate; then `initial * factor ** (attempt - 2)`, at most `max`, and then moved by up to +-`jitter`
    of itself: `draw` in [0, 1) chooses where, 0.5 is the middle.
    """
    if attempt <= 1 or policy.initial == 0:
        return 0.0
    try:
        plain = min(policy.max, policy.initial * policy.factor ** (attempt - 2))
    except OverflowError:
        plain = policy.max
    return plain * (1 + policy.jitter * (2 * draw - 1))
