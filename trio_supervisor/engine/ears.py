"""What the engine hears in what a life says: when it said something, what it costs, that a quota is used up.

For a flood of output it takes note of the time, once for each chunk, and only where a limit wants to know it.
"""

import math
import re
import time
from collections.abc import Callable
from functools import partial

import trio

from trio_supervisor.core.facts import Looked
from trio_supervisor.output.search import LineSearch
from trio_supervisor.runtimes.base import HasCost, MadeProgress, Said, Stream, WasActive
from trio_supervisor.spec import Account, Budget, ChildSpec, Quota
from trio_supervisor.words import one_line

SHOWN = 200
"""Characters of a line that are told as a reason."""


class Ears:
    """Belongs to one life."""

    def __init__(
        self,
        spec: ChildSpec,
        account: Account,
        report: Callable[[Said], None],
        out_of_quota: Callable[[str, float, str, bool], None],
        complain: Callable[[str], None],
    ) -> None:
        """`out_of_quota` is given what was said, for how many seconds, that in words, and whether no time was said."""
        self._report = report
        self._out_of_quota = out_of_quota
        self._complain = complain
        self._complained = False
        self._output_at = self._active_at = self._progress_at = self._meter_at = -math.inf
        limits, budget = spec.limits, _metered(spec.budget, account.budget)
        self._any_output_is_progress = limits.progress is not None and limits.progress.pattern is None
        self._search = LineSearch(
            [(quota.pattern, partial(self._quota_found, quota)) for quota in (*spec.quota, *account.quota)]
            + ([(budget.pattern, partial(self._cost_found, budget))] if budget and budget.pattern else [])
            + ([(limits.progress.pattern, self._progress_found)] if limits.progress and limits.progress.pattern else [])
            + ([('"usage_update"', self._usage_found)] if _tells_usage(spec, account, budget) else [])
        )
        self._marks = _has_marks(spec, account)

    def after(self, before: "Ears") -> "Ears":
        """It, with what others have heard in the same life."""
        self._output_at, self._active_at = before._output_at, before._active_at
        self._progress_at, self._meter_at = before._progress_at, before._meter_at
        return self

    def hear(self, stream: Stream, chunk: bytes, *, counts: bool = True) -> None:
        """A chunk as it was read; b"" is the end of the stream. `counts`: whether it is a sign of activity."""
        if chunk and self._marks and counts:
            self._output_at = trio.current_time()
            if self._any_output_is_progress:
                self._progress_at = self._output_at
        if self._search.needed:
            self._search.feed(stream, chunk)

    def note(self, said: Said) -> None:
        """Keep when the life has said something of itself."""
        match said:
            case MadeProgress():
                self._progress_at = trio.current_time()
            case WasActive():
                self._active_at = trio.current_time()
            case HasCost():
                self._meter_at = trio.current_time()
            case _:
                return

    def seen(self, child: str, generation: int, connections: int) -> Looked:
        """All of it as a fact."""
        active_at = max(self._output_at, self._active_at)
        return Looked(child, generation, self._output_at, active_at, self._progress_at, self._meter_at, connections)

    def _progress_found(self, _match: "re.Match[bytes]") -> None:
        self._report(MadeProgress())

    def _cost_found(self, budget: Budget, match: "re.Match[bytes]") -> None:
        text = (match.groupdict().get("usd") or match[1] or b"").decode(errors="replace")
        try:
            usd = float(text.replace(",", ""))
        except ValueError:
            usd = math.nan
        if math.isfinite(usd) and usd >= 0:
            self._report(HasCost(usd, total=budget.total, meter="pattern"))
        elif not self._complained:
            self._complained = True
            self._complain(f"budget: the pattern found {text!r}, which is no number of USD")

    def _usage_found(self, match: "re.Match[bytes]") -> None:
        from trio_supervisor.engine.acp_usage import usage_in  # noqa: PLC0415 -- only for agents of ACP

        usage = usage_in(match.string)
        if usage is None:
            return
        if usage.currency.upper() == "USD":
            self._report(HasCost(usage.amount, total=True, meter=f"acp {usage.session[:SHOWN]}", lasting=True))
        elif not self._complained:
            self._complained = True
            self._complain(f"budget: it tells what it costs in {one_line(usage.currency, 20)}; only USD can be counted")

    def _quota_found(self, quota: Quota, match: "re.Match[bytes]") -> None:
        # Most runs meet none.
        from datetime import datetime  # noqa: PLC0415

        from trio_supervisor.engine.quota import is_span, seconds_left  # noqa: PLC0415

        seconds = seconds_left(quota, match, datetime.now().astimezone())
        until = time.strftime("%a %H:%M" if seconds > 86400 else "%H:%M:%S", time.localtime(time.time() + seconds))
        said = match.string.decode(errors="replace").strip()[:SHOWN]
        self._out_of_quota(said, seconds, until, is_span(match))


def listens(spec: ChildSpec, account: Account) -> bool:
    """Whether anybody wants to know anything of the output of such a child."""
    searched = spec.quota or account.quota or ((budget := _metered(spec.budget, account.budget)) and budget.pattern)
    return bool(searched) or _has_marks(spec, account)


def _has_marks(spec: ChildSpec, account: Account) -> bool:
    """Whether it counts when it has said something."""
    return spec.limits.idle is not None or spec.limits.progress is not None or _counts_usd(spec, account)


def _metered(own: Budget | None, shared: Budget | None) -> Budget | None:
    """The budget whose pattern finds costs: its own goes first."""
    return own if own is not None and own.pattern is not None else shared


def _tells_usage(spec: ChildSpec, account: Account, metered: Budget | None) -> bool:
    """Whether its costs are looked for in what it says in ACP; a pattern of one's own goes first."""
    return spec.protocol == "acp" and _counts_usd(spec, account) and not (metered and metered.pattern)


def _counts_usd(spec: ChildSpec, account: Account) -> bool:
    return any(budget is not None and budget.usd is not None for budget in (spec.budget, account.budget))
