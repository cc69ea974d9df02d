"""Which children a restart concerns, and in which order (OTP rules 23 to 27)."""

from collections.abc import Iterable
from itertools import dropwhile

from trio_supervisor.core.policy import Strategy


def group(strategy: Strategy, children: Iterable[str], offender: str) -> tuple[str, ...]:
    """The children that are stopped (from the last to the first) and started (from the first to the last), in start
    order.
    """
    match strategy:
        case Strategy.ONE_FOR_ALL:
            return tuple(children)
        case Strategy.REST_FOR_ONE:
            return tuple(dropwhile(lambda name: name != offender, children))
        case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
            return (offender,)
