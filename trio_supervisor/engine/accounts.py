"""Accounts: what children of the whole tree share because somebody pays for them together. A child without one has an
account of its own.

Times are those of Trio's clock. What is held and resumed is decided by the machine of each member; it is told by facts.
"""

import math
from collections.abc import Callable, Mapping

import trio
from attrs import define, field

from trio_supervisor.core.budget import Meter
from trio_supervisor.core.expenses import at_budget
from trio_supervisor.core.facts import Fact, HeldByRule
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.spending import Exported, Ledger, Level
from trio_supervisor.spec import Account

LONGER = 60.0
"""Seconds: a quota that is used up for so much longer than was known is told to all members again."""


@define(eq=False)
class _Shared:
    """One account."""

    name: str
    ledger: Ledger | None = None
    members: list["Seat"] = field(factory=list)
    until: float = -math.inf
    """Until when its quota is used up."""
    why: str = ""

    @property
    def words(self) -> str:
        return f"account {self.name!r}: " if self.name else ""

    def hold(self, reason: str, until: float) -> None:
        for member in self.members:
            member.post(HeldByRule(member.child, reason, until))

    def count(self, meter: Meter, amount: float, by: "Seat") -> None:
        verdict = self.ledger.add(meter, amount, trio.current_time()) if self.ledger else None
        if self.ledger is None or verdict is None:
            return
        if verdict.level is Level.REACHED:
            reason, until = at_budget(verdict, self.ledger.budget.then)
            self.hold(self.words + reason, until)
        elif verdict.level is Level.NEARLY:
            reason = f"{self.words}{verdict} used"
            by.warn(Warned(by.child, by.generation(), meter, reason, verdict.used, verdict.rate.amount))


@define(eq=False)
class Seat:
    """One child as a member of its account."""

    child: str
    post: Callable[[Fact], None]
    """Sends a fact to the machine of the child."""
    warn: Callable[[Warned], None]
    generation: Callable[[], int]
    _account: _Shared

    def cost(self, usd: float) -> None:
        """The child has cost so much more."""
        self._account.count(Meter.USD, usd, self)

    def restarted(self) -> None:
        """The child is restarted, which nobody has asked for."""
        self._account.count(Meter.RESTARTS, 1, self)

    def out_of_quota(self, said: str, seconds: float, until_words: str) -> None:
        """The child says that the quota is used up for so long: all members are held, and resumed by themselves."""
        account, until = self._account, trio.current_time() + seconds
        reason = f"{account.words}quota used up until {until_words}: {said}"
        if until > account.until + LONGER:
            account.until, account.why = until, reason
            account.hold(reason, until)
        else:
            self.post(HeldByRule(self.child, reason, max(until, account.until)))

    def approve(self) -> None:
        """Somebody wants the child up although the budget may be used up: as much again is approved."""
        if self._account.ledger:
            self._account.ledger.approve(trio.current_time())

    def catch_up(self) -> None:
        """The child has come while the quota is used up."""
        if self._account.until > trio.current_time():
            self.post(HeldByRule(self.child, self._account.why, self._account.until))

    def leave(self) -> None:
        """The child is gone."""
        if self in self._account.members:
            self._account.members.remove(self)


class Accounts:
    """All accounts of one tree."""

    def __init__(self, specs: Mapping[str, Account]) -> None:
        self.specs = specs
        self._shared = {
            name: _Shared(name, None if spec.budget is None else Ledger(spec.budget)) for name, spec in specs.items()
        }

    def change(self, specs: Mapping[str, Account]) -> None:
        """Go by other specs: what is used up stays so."""
        now = trio.current_time()
        self.specs = specs
        for name, spec in specs.items():
            shared = self._shared.setdefault(name, _Shared(name))
            used = {} if shared.ledger is None else shared.ledger.export(now)
            shared.ledger = None if spec.budget is None else Ledger(spec.budget)
            if shared.ledger is not None:
                shared.ledger.restore(used, now)
        for name in self._shared.keys() - specs.keys():
            self._shared[name].ledger = None

    def join(
        self,
        name: str | None,
        child: str,
        post: Callable[[Fact], None],
        warn: Callable[[Warned], None],
        generation: Callable[[], int],
    ) -> Seat:
        """Take in a child; None is an account of its own. One that nobody has specified has no budget."""
        account = _Shared("") if name is None else self._shared.setdefault(name, _Shared(name))
        seat = Seat(child, post, warn, generation, account)
        account.members.append(seat)
        return seat

    def export(self) -> dict[str, dict[str, list[tuple[float, float]]]]:
        """What is used up of all budgets, by account, as plain values; see `Ledger.export`."""
        now = trio.current_time()
        return {name: each.ledger.export(now) for name, each in self._shared.items() if each.ledger}

    def restore(self, exported: Mapping[str, Exported]) -> None:
        """Take over what was exported, before anybody has started."""
        for name, each in self._shared.items():
            if each.ledger:
                each.ledger.restore(exported.get(name, {}), trio.current_time())
