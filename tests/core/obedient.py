"""A machine in a world that obeys at once: starts and stops end as scripted, and all of it is noted."""

from collections.abc import Mapping, Sequence
from itertools import count

from tests.core.driver import Driver, tree
from trio_supervisor.core.answers import Verb
from trio_supervisor.core.commands import AdmitChild, Output, Reply, StartChild, StopChild
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import BecameReady, Called, Exited, Fact, Started, TreeStartAsked
from trio_supervisor.core.notices import Report, TreeEnding, TreeStarted
from trio_supervisor.core.policy import (
    AtLimit,
    AutoShutdown,
    ChildPolicy,
    Intensity,
    Profile,
    ReadyBy,
    Strategy,
    TreePolicy,
)

FAILED = Exit(How.SPAWN_FAILED, detail="no such program")
IGNORED = Exit(How.IGNORED)
CANCELLED = Exit(How.CANCELLED)


def otp(
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    restarts: int = 100,
    *,
    profile: Profile = Profile.OTP,
    at_limit: AtLimit = AtLimit.ESCALATE,
    auto: AutoShutdown = AutoShutdown.NEVER,
    template: str | None = None,
    max_children: float = float("inf"),
) -> TreePolicy:
    """The policy of a supervisor as OTP's, unless said otherwise."""
    stop_deadline = float("inf") if profile is Profile.OTP else 30.0
    return TreePolicy(
        Intensity(restarts, 60), 20, stop_deadline, profile, strategy, at_limit, auto, template, max_children
    )


class Obedient(Driver):
    """`log` holds what happened, in words: +a a start, !a a failed one, -a an end after a stop, and reports, replies,
    the end.
    """

    def __init__(
        self,
        policy: TreePolicy | None = None,
        /,
        starts: Mapping[str, Sequence[Exit | None]] | None = None,
        stops: Mapping[str, Exit] | None = None,
        slow: set[str] | None = None,
        **children: ChildPolicy,
    ) -> None:
        self.log: list[str] = []
        self.starts_by = {name: list(outcomes) for name, outcomes in (starts or {}).items()}
        self.stops_by = dict(stops or {})
        self.slow = slow or set()
        """Children whose starts and stops are not done by the world but by the test."""
        self.calls = count(1)
        super().__init__(policy or tree(), **children)

    def tell(self, fact: Fact) -> list[Output]:
        """Any fact, and all that follows from it in the end."""
        facts, everything = [fact], []
        while facts:
            outputs = super().tell(facts.pop(0))
            everything += outputs
            for output in outputs:
                facts += self.obey(output)
        return everything

    def obey(self, output: Output) -> list[Fact]:
        match output:
            case StartChild() if output.child not in self.slow:
                return self.begin(output)
            case StopChild() if output.child not in self.slow:
                self.log.append(f"-{output.child}")
                exit = self.stops_by.get(output.child, CANCELLED)
                return [Exited(output.child, output.generation, exit)]
            case Report():
                life = "" if output.generation is None else f"#{output.generation}"
                times = f" x{output.count}" if output.count > 1 else ""
                hand = " by hand" if output.by_hand else ""
                if output.context.value != "progress" or hand:
                    self.log.append(f"{output.context.value} {output.child}{life}{times}{hand}")
            case Reply():
                self.log.append(f"reply {output.answer.value}")
            case AdmitChild():
                self.log.append(f"admit {output.child}")
            case TreeStarted():
                self.log.append("all started")
            case TreeEnding():
                self.log.append(f"ending: {output.cause.value}")
            case _:
                pass
        return []

    def begin(self, order: StartChild) -> list[Fact]:
        outcomes = self.starts_by.get(order.child, [])
        failure = outcomes.pop(0) if outcomes else None
        self.log.append(f"{'!' if failure else '+'}{order.child}")
        if failure:
            return [Exited(order.child, order.generation, failure)]
        facts: list[Fact] = [Started(order.child, order.generation)]
        if self[order.child].policy.ready_by is ReadyBy.ITSELF:
            facts.append(BecameReady(order.child, order.generation, "info"))
        return facts

    def up(self) -> "Obedient":
        """Start everything; the log begins after that."""
        self.tell(TreeStartAsked())
        self.log.clear()
        return self

    def call(self, verb: Verb, child: str = "", policy: ChildPolicy | None = None) -> Reply | None:
        """Make a call; the answer, if it came at once."""
        number = next(self.calls)
        outputs = self.tell(Called(number, verb, child, policy))
        return next((each for each in outputs if isinstance(each, Reply) and each.call == number), None)

    def did(self) -> list[str]:
        """The log since it was asked for last."""
        log, self.log = self.log, []
        return log
