"""What one supervisor keeps of its children for all their lives: specs, runtimes, seats, what they are to become."""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from trio_supervisor.core.child import Child
from trio_supervisor.core.facts import Fact, Reconfigured
from trio_supervisor.core.notices import Notice
from trio_supervisor.core.policy import ChildPolicy
from trio_supervisor.engine.accounts import Accounts, Seat
from trio_supervisor.engine.changing import Change
from trio_supervisor.engine.hooking import Hooking
from trio_supervisor.engine.kept import Kept
from trio_supervisor.engine.policies import child_policy, stop_steps, tree_policy
from trio_supervisor.engine.subtree import Inner, SubtreeRuntime
from trio_supervisor.engine.world import World
from trio_supervisor.errors import SpecError
from trio_supervisor.runtimes.base import Runtime, Succeeds
from trio_supervisor.spec import DEFAULT_PORT_RANGE, Account, ChildSpec, Port, SupervisorSpec

if TYPE_CHECKING:
    from trio_supervisor.writing import Lease


class Owner(Protocol):
    """The supervisor whose children they are."""

    @property
    def children(self) -> Mapping[str, Child]:
        """As the machine knows them."""

    def path_of(self, child: str) -> str:
        """The path of a child from the top."""

    def lease(self, child: str) -> "Lease":
        """Who may write to a child."""

    def make_inner(self, child: str, ready: Callable[[], None]) -> Inner:
        """The supervisor that is a child."""

    def post(self, fact: Fact) -> None:
        """Send a fact to the machine."""

    def note(self, notice: Notice) -> None:
        """Tell something."""


class Roster:
    """The children by id."""

    def __init__(self, spec: SupervisorSpec, world: World, accounts: Accounts, hooks: Hooking, owner: Owner) -> None:
        self.spec = spec
        """As it is now."""
        self.kept: dict[str, Kept] = {}
        """To be changed only here."""
        self._world = world
        self._accounts = accounts
        self._hooks = hooks
        self._owner = owner
        # Each time that a method is named it is made anew, and kept with each child.
        self._post, self._note, self._lease = owner.post, owner.note, owner.lease
        self._generation = self._generation_of
        self._folded: dict[str, str] = {}
        """The ids of all children by themselves in lower case."""
        self._wanted: dict[str, ChildSpec] = {}
        """By what children go from their next lives on, where that is something else."""
        self._changes: deque[Change] = deque()
        """Those whose fact is not taken in yet."""

    def wanted(self, child: str) -> ChildSpec | None:
        """What a child is to be, from its next life on at the latest."""
        kept = self.kept.get(child)
        return self._wanted.get(child) or (None if kept is None else kept.spec)

    def is_to_be_replaced(self, child: str) -> bool:
        """Whether its present life goes by another spec than the next one will."""
        return child in self._wanted

    # Those that come and go

    def check_new(self, id: str) -> None:
        """Raises SpecError: there is one whose id differs only in case."""
        other = self._folded.get(id.lower(), id)
        if other != id:
            raise SpecError(f"child {self._owner.path_of(id)!r}: there is {other!r}, which differs only in case")

    def runtime(self, spec: ChildSpec) -> Runtime:
        """What makes its lives. Raises SpecError: it can't be served."""
        if not isinstance(spec.run, SupervisorSpec):
            return self._world.runtime(spec)
        return SubtreeRuntime(partial(self._owner.make_inner, spec.id))

    def policy(self, spec: ChildSpec, runtime: Runtime) -> ChildPolicy:
        """What the machine has to know of it."""
        return child_policy(spec, runtime, self.spec.profile, self._account(spec))

    def trial_policy(self, spec: ChildSpec) -> ChildPolicy:
        """What the machine would have to know of it. Raises SpecError: it can't be served."""
        # Nothing is kept for it meanwhile: its port may be that of its own present life. Of a range none is taken yet.
        port = None if spec.port is None else Port(*DEFAULT_PORT_RANGE)
        runtime = self.runtime(evolve(spec, port=port))
        try:
            if isinstance(spec.run, SupervisorSpec):
                for child in (*spec.run.children, *filter(None, (spec.run.template,))):
                    self.trial_policy(child)
            return self.policy(spec, runtime)
        finally:
            runtime.close()

    def add(self, spec: ChildSpec, runtime: Runtime) -> None:
        """There is one more."""
        steps, account = stop_steps(spec, self.spec.profile), self._account(spec) or Account()
        self._folded[spec.id.lower()] = spec.id
        path, seat = self._owner.path_of(spec.id), self._seat(spec)
        self.kept[spec.id] = Kept(path, spec, runtime, steps, seat, account, self._lease)

    def remove(self, child: str) -> None:
        """It is gone for good."""
        self._wanted.pop(child, None)
        self._folded.pop(child.lower(), None)
        self._close(self.kept.pop(child))

    def close(self) -> None:
        """None of them lives any more."""
        for kept in self.kept.values():
            self._close(kept)

    @staticmethod
    def _close(kept: Kept) -> None:
        kept.seat.leave()
        kept.runtime.close()

    # Those that change

    def reconfigured(self, change: Change) -> Reconfigured:
        """The fact that this change is wanted, which is done by `go_by_next`. Raises SpecError."""
        fact = Reconfigured(
            {spec.id: self.trial_policy(spec) for spec in change.at_once},
            {spec.id: self.trial_policy(spec) for spec in change.later},
            tree_policy(change.spec),
            tuple(child.id for child in change.spec.children),
            self._world.draw(),
        )
        self._changes.append(change)
        return fact

    def go_by_next(self) -> tuple[str, ...]:
        """Go by the next change that was posted; returns those whose present lives go by it, too."""
        change = self._changes.popleft()
        self.spec = change.spec
        at_once = [spec for spec in change.at_once if spec.id in self.kept]
        for spec in at_once:
            self._rewrite(self.kept[spec.id], spec)
        for spec in change.later:
            child = self._owner.children.get(spec.id)
            if child is not None and child.state.alive:
                self._wanted[spec.id] = spec
            elif child is not None:
                self._replace(self.kept[spec.id], spec)
        return tuple(spec.id for spec in at_once)

    def note_down(self, child: str) -> None:
        """It has no life now: it becomes what it is to be, and gives up what that does not need (a port)."""
        if self._wanted and (wanted := self._wanted.pop(child, None)):
            self._replace(self.kept[child], wanted)

    def _replace(self, kept: Kept, spec: ChildSpec) -> None:
        """Nothing is left of its life before; what comes now is something else."""
        before = kept.runtime
        before.close()
        kept.runtime = self.runtime(spec)
        if isinstance(kept.runtime, Succeeds):
            kept.runtime.succeed(before)
        self._rewrite(kept, spec)

    def _rewrite(self, kept: Kept, spec: ChildSpec) -> None:
        if spec.account != kept.spec.account:
            kept.seat.leave()
            kept.seat = self._seat(spec)
        kept.spec, kept.account = spec, self._account(spec) or Account()
        kept.stop = stop_steps(spec, self.spec.profile)
        self._hooks.change(spec.id, spec.hooks)

    def _account(self, spec: ChildSpec) -> Account | None:
        return None if spec.account is None else self._accounts.specs.get(spec.account)

    def _generation_of(self, child: str) -> int:
        return self._owner.children[child].generation

    def _seat(self, spec: ChildSpec) -> Seat:
        owner = self._owner
        return self._accounts.join(
            spec.account,
            spec.id,
            owner.path_of(spec.id),
            self._post,
            self._note,
            self._generation,
        )
