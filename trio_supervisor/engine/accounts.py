"""Accounts: what children of the whole tree share because somebody pays for them together. A child without one has an
account of its own.

Times are those of Trio's clock, but for the end of a quota, which is a time of day or a span that goes on while the
machine sleeps. What is held and resumed is decided by the machine of each member; it is told by facts.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import trio
from attrs import define, field

from trio_supervisor.core.budget import Meter
from trio_supervisor.core.expenses import at_budget, by_budget
from trio_supervisor.core.facts import Fact, HeldByRule, HoldMoved
from trio_supervisor.core.grounds import Ground, Rule
from trio_supervisor.core.limits import in_words
from trio_supervisor.core.notices import Warned
from trio_supervisor.core.spending import Ledger, Level
from trio_supervisor.engine.spendings import Spendings, account_owner
from trio_supervisor.spec import Account

LONGER = 60.0
"""Seconds: a quota that is used up for so much longer than was known is told to all members again."""
SLACK = 1.0
"""Seconds: a hold that is to end so little earlier or later stays as it is."""
LONGEST_QUOTA = 8 * 86400.0
"""Seconds: what an earlier run has left is believed up to this."""

Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts a task that ends with the tree."""


@define(eq=False)
class _Shared:
    """One account."""

    name: str
    owner: str
    """As what it owns what is kept of it: a path, or that of an account."""
    spendings: Spendings
    ledger: Ledger | None = None
    members: list["Seat"] = field(factory=list)
    until: float = -math.inf
    """Until when its quota is used up."""
    why: str = ""
    watching: trio.CancelScope | None = None
    """Of the present watch; None before the first."""

    @property
    def words(self) -> str:
        return f"account {self.name!r}: " if self.name else ""

    def hold(self, reason: str, until: float, ground: Ground) -> None:
        for member in self.members:
            member.post(HeldByRule(member.child, reason, until, ground))

    def count(self, meter: Meter, amount: float, by: "Seat") -> None:
        if self.ledger is None:
            return
        verdict = self.ledger.add(meter, amount, trio.current_time())
        self.spendings.touch(self.owner, self.ledger)
        if verdict is None:
            return
        if verdict.level is Level.REACHED:
            reason, until = at_budget(verdict, self.ledger.budget.then)
            ground = by_budget(verdict)
            self.hold(self.words + reason, until, Ground(ground.rule, self.words + ground.text, ground.numbers))
        elif verdict.level is Level.NEARLY:
            reason = f"{self.words}{verdict} used"
            by.warn(Warned(by.child, by.generation(by.child), meter, reason, verdict.used, verdict.rate.amount))

    def restore(self) -> None:
        """Take over what is kept of it, before anybody has started."""
        now = trio.current_time()
        if self.ledger:
            self.ledger.restore(self.spendings.spent(self.owner), now)
        if found := self.spendings.quota(self.owner, LONGEST_QUOTA):
            self.until, self.why = now + found[0], found[1]

    def standing(self) -> tuple[str, float] | None:
        """Why it holds its members now, and until when; None if it does not."""
        now = trio.current_time()
        if self.until > now:
            return self.why, self.until
        if self.ledger is None or (verdict := self.ledger.reached(now)) is None:
            return None
        reason, until = at_budget(verdict, self.ledger.budget.then)
        return self.words + reason, until

    async def watch(self, span: bool) -> None:
        """Move the hold when the clock by which it ends was set, or the machine has slept. `span`: its end is no time
        of day.
        """
        from trio_supervisor.engine.day_clock import DayClock, wait_for  # noqa: PLC0415 -- most runs meet no quota

        clock = DayClock.SPAN if span else DayClock.DAY
        end = clock.now() + self.until - trio.current_time()
        while (left := end - clock.now()) > 0:
            self.move(trio.current_time() + left)
            await wait_for(clock, end)
        self.move(trio.current_time())

    def move(self, until: float) -> None:
        """Its quota is used up until another time than was thought."""
        if abs(until - self.until) <= SLACK or self.until <= trio.current_time():
            return
        self.until = until
        for member in self.members:
            member.post(HoldMoved(member.child, self.why, until))


@define(eq=False)
class Seat:
    """One child as a member of its account."""

    child: str
    post: Callable[[Fact], None]
    """Sends a fact to the machine of the child."""
    warn: Callable[[Warned], None]
    generation: Callable[[str], int]
    _account: _Shared
    _watch: Callable[[_Shared, bool], None]

    def cost(self, usd: float) -> None:
        """The child has cost so much more."""
        self._account.count(Meter.USD, usd, self)

    def restarted(self) -> None:
        """The child is restarted, which nobody has asked for."""
        self._account.count(Meter.RESTARTS, 1, self)

    def out_of_quota(self, said: str, seconds: float, until_words: str, *, span: bool) -> None:
        """The child says that the quota is used up for so long: all members are held, and resumed by themselves.
        `span`: it says for how long, not until which time of day.
        """
        account, now = self._account, trio.current_time()
        until = now + seconds
        reason = f"{account.words}quota used up until {until_words}: {said}"
        if account.until <= now or until > account.until + LONGER:
            account.until, account.why = until, reason
            account.spendings.note_quota(account.owner, seconds, reason)
            account.hold(reason, until, Ground(Rule.QUOTA, reason))
            self._watch(account, span)
        else:
            self.post(HeldByRule(self.child, account.why, max(until, account.until), Ground(Rule.QUOTA, account.why)))

    def grounds(self) -> tuple[Ground, ...]:
        """How its account stands: the quota that is used up, and how much of the budgets."""
        account, now = self._account, trio.current_time()
        grounds = []
        if account.until > now:
            left = account.until - now
            text = f"{account.why}; that is in {in_words(left)}"
            grounds.append(Ground(Rule.QUOTA, text, (("left", left),)))
        for verdict in account.ledger.state(now) if account.ledger else ():
            ground = by_budget(verdict)
            grounds.append(Ground(ground.rule, account.words + ground.text, ground.numbers))
        return tuple(grounds)

    def approve(self) -> None:
        """Somebody wants the child up although the budget may be used up: as much again is approved."""
        account = self._account
        if account.ledger:
            account.ledger.approve(trio.current_time())
            account.spendings.touch(account.owner, account.ledger)

    def standing(self) -> tuple[str, float] | None:
        """Why the account holds its members now, and until when; None if it does not."""
        return self._account.standing()

    def catch_up(self) -> None:
        """The child has come while the quota is used up."""
        if self._account.until > trio.current_time():
            why = self._account.why
            self.post(HeldByRule(self.child, why, self._account.until, Ground(Rule.QUOTA, why)))

    def leave(self) -> None:
        """The child is gone."""
        if self in self._account.members:
            self._account.members.remove(self)


class Accounts:
    """All accounts of one tree."""

    def __init__(self, specs: Mapping[str, Account], spendings: Spendings) -> None:
        self.specs = specs
        self.spendings = spendings
        self._spawn: Spawn | None = None
        self._watches: set[trio.CancelScope] = set()
        self._shared: dict[str, _Shared] = {}

    def begin(self, spawn: Spawn) -> None:
        """The tree begins, and its children will join."""
        self._spawn = spawn

    def _restore(self, account: _Shared) -> None:
        account.restore()
        if account.until > trio.current_time():
            self._watch(account, False)

    def change(self, specs: Mapping[str, Account]) -> None:
        """Go by other specs: what is used up stays so."""
        now = trio.current_time()
        self.specs = specs
        # Others are made when somebody joins them.
        for name, shared in self._shared.items():
            spec, ledger = specs.get(name), shared.ledger
            budget = None if spec is None else spec.budget
            if budget == (None if ledger is None else ledger.budget):
                continue
            used = self.spendings.spent(shared.owner) if ledger is None else ledger.export(now)
            shared.ledger = None if budget is None else Ledger(budget)
            if shared.ledger is not None:
                shared.ledger.restore(used, now)

    def join(
        self,
        name: str | None,
        child: str,
        path: str,
        post: Callable[[Fact], None],
        warn: Callable[[Warned], None],
        generation: Callable[[str], int],
    ) -> Seat:
        """Take in a child; None is an account of its own. One that nobody has specified has no budget."""
        if name is None:
            account = _Shared("", path, self.spendings)
            self._restore(account)
        else:
            account = self._account(name)
        seat = Seat(child, post, warn, generation, account, self._watch)
        account.members.append(seat)
        return seat

    def _account(self, name: str) -> _Shared:
        if name not in self._shared:
            spec = self.specs.get(name)
            ledger = None if spec is None or spec.budget is None else Ledger(spec.budget)
            self._shared[name] = account = _Shared(name, account_owner(name), self.spendings, ledger)
            self._restore(account)
        return self._shared[name]

    def close(self) -> None:
        """Nobody is held or resumed any more."""
        self._spawn = None
        for scope in self._watches:
            scope.cancel()

    def _watch(self, account: _Shared, span: bool) -> None:
        if self._spawn is None:
            return
        if account.watching is not None:
            account.watching.cancel()
        account.watching = scope = trio.CancelScope()
        self._watches.add(scope)
        self._spawn(partial(self._keep_watching, account, scope, span))

    async def _keep_watching(self, account: _Shared, scope: trio.CancelScope, span: bool) -> None:
        with scope:
            await account.watch(span)
        self._watches.discard(scope)
