"""What a notification (sd_notify(3)) says of a life beside what systemd knows: `X_AGENT_BUSY`, `X_AGENT_COST_USD`,
`X_AGENT_PROGRESS`.
"""

import math
from collections.abc import Iterator, Mapping

from trio_supervisor.runtimes.base import HasCost, IsBusy, MadeProgress, Said

_SOURCE = "notify"


def said_by(fields: Mapping[str, str]) -> Iterator[Said]:
    """What the variables of a notification say; a value that can't be right says nothing."""
    match fields.get("X_AGENT_BUSY"):
        case "1":
            yield IsBusy(True, _SOURCE)
        case "0":
            yield IsBusy(False, _SOURCE)
        case _:
            pass
    if fields.get("X_AGENT_PROGRESS") is not None:
        yield MadeProgress()
    usd = _number(fields.get("X_AGENT_COST_USD"))
    if usd is not None:
        yield HasCost(usd)


def _number(text: str | None) -> float | None:
    try:
        number = math.nan if text is None else float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
