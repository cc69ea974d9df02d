"""What the engine keeps of a child for all its lives."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field

from trio_supervisor.core.facts import Role
from trio_supervisor.engine.accounts import Seat
from trio_supervisor.engine.tally import Tally
from trio_supervisor.runtimes.base import Runtime
from trio_supervisor.spec import Account, ChildSpec, StopStep

if TYPE_CHECKING:
    from trio_supervisor.writing import Lease


@define(eq=False)
class Kept:
    """One child."""

    path: str
    spec: ChildSpec
    runtime: Runtime
    stop: tuple[StopStep, ...]
    """In order, before the kill; as the profile has it where the spec says nothing."""
    seat: Seat
    """Its place in its account."""
    account: Account
    """As what that is specified."""
    lease: "Callable[[str], Lease]"
    """Gives by its id who may write to it."""
    restarts: int = 0
    """How many its account was told of."""
    tallies: dict[Role, Tally] = field(factory=dict)
    """By probe: what came of asking it."""
    costs: dict[str, float] = field(factory=dict)
    """What each meter that outlasts a life has told last, the latest last."""
