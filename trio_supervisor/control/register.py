"""Those that somebody has added while everything runs: they come back in the next life of their supervisor, and in the
next run, until they are removed or written in the file.
"""

from collections.abc import Callable, Collection, Mapping

from trio_supervisor.control.looks import find, supervisors
from trio_supervisor.core.facts import HoldAsked
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import SupervisorError
from trio_supervisor.journal.entries import Plain
from trio_supervisor.journal.orders import ADDED
from trio_supervisor.record import changed, record
from trio_supervisor.spec import ChildSpec


@record
class Added:
    """What was added."""

    text: str
    """What is said of it, in YAML or JSON."""
    start: bool
    """Whether it was to be started, too."""
    specs: tuple[ChildSpec, ...]
    """What that comes to: itself, or its replicas."""

    @property
    def value(self) -> Plain:
        """What of it is remembered."""
        return {"text": self.text, "start": self.start}


class Register:
    """Of one tree. `complain` takes what a person should know, `remember` a value for the next run."""

    def __init__(self, top: Supervisor) -> None:
        self._top = top
        self._added: dict[str, Added] = {}
        """By the path of each."""
        self._paths: set[str] = set()
        self._held: dict[str, str] = {}
        """Why, of those that are to be held when they come."""
        self.complain: Callable[[str], None] = _say_nothing
        self.remember: Callable[[str, str, Plain], None] = _remember_nothing

    @property
    def paths(self) -> Collection[str]:
        """The paths of all children that were added; of replicas those of each."""
        return self._paths

    def note_path(self, agent: str) -> None:
        """A child was added of which there are no words: it does not come back."""
        self._paths.add(agent)

    def note(self, agent: str, added: Added) -> None:
        """A child is added."""
        self._added[agent] = added
        self._paths.update(beside(agent, spec.id) for spec in added.specs)

    def note_gone(self, agent: str) -> None:
        """A child was removed, or is one that is written by now: nobody has added it any more."""
        self._paths.discard(agent)
        for path, added in list(self._added.items()):
            left = any(beside(path, spec.id) in self._paths for spec in added.specs)
            if not left or path.startswith(f"{agent}/"):
                del self._added[path]
                self.remember(path, ADDED, None)

    def note_started(self, agent: str) -> None:
        """Who was only added, and is started, is started again in the next run."""
        added = self._added.get(agent)
        if added is not None and not added.start:
            self._added[agent] = started = changed(added, start=True)
            self.remember(agent, ADDED, started.value)

    def is_there(self, agent: str, text: str, engine: Supervisor) -> Added | None:
        """What was added by these words, if all of it is there."""
        added = self._added.get(agent)
        if added is None or added.text != text or any(spec.id not in engine.children for spec in added.specs):
            return None
        return added

    def restore(self, added: Mapping[str, Added], held: Mapping[str, str]) -> None:
        """Have those again that were added in an earlier run, by path; `held`: why, of those that stay held."""
        for agent, each in added.items():
            self.note(agent, each)
        self._held.update(held)
        for engine in tuple(supervisors(self._top)):
            self.bring_back(engine.path)

    def bring_back(self, path: str) -> None:
        """A supervisor has begun a life, from its spec: those that were added to it come again."""
        here = {agent: each for agent, each in self._added.items() if agent.rpartition("/")[0] == path}
        engine = find(self._top, path) if here else None
        if engine is None or engine.ending is not None:
            return
        from trio_supervisor.control.adding import resolved  # noqa: PLC0415 -- in most runs nobody is added
        from trio_supervisor.control.planning import in_order  # noqa: PLC0415

        ids = [spec.id for each in here.values() for spec in each.specs]
        starts: dict[str, bool] = {}
        coming: list[ChildSpec] = []
        for agent, each in here.items():
            try:
                specs = resolved(engine, [spec for spec in each.specs if spec.id not in engine.children], ids)
                for spec in specs:
                    engine.check_new(spec)
                    engine.trial_policy(spec)
            except SupervisorError as error:
                self.complain(f"{agent}, which was added at run time, does not come back: {error}")
            else:
                coming += specs
                starts |= dict.fromkeys((spec.id for spec in specs), each.start)
        for spec in in_order(coming):
            reason = self._held.pop(engine.path_of(spec.id), "")
            engine.post_start(spec, idle=bool(reason) or not starts[spec.id])
            engine.recall_spending(spec)
            if reason:
                engine.post(HoldAsked(spec.id, reason))


def beside(agent: str, id: str) -> str:
    """The path of another child of the same supervisor."""
    way, slash, _ = agent.rpartition("/")
    return f"{way}{slash}{id}"


def _say_nothing(_text: str) -> None:
    """Nobody listens."""


def _remember_nothing(_owner: str, _name: str, _value: Plain) -> None:
    """There is no next run that would know."""
