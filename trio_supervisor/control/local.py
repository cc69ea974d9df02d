"""Control of a supervisor in the same process."""

import signal as signals
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from trio_supervisor.control import asking, scaling, talking
from trio_supervisor.control.api import (
    Heard,
    Operation,
    Plan,
    Verb,
    Wait,
    patience,
)
from trio_supervisor.control.callers import caller
from trio_supervisor.control.dependents import check_unneeded, losses
from trio_supervisor.control.looking import Looking
from trio_supervisor.control.looks import find, locate, supervisors
from trio_supervisor.control.operations import Looks, Operations, Order
from trio_supervisor.control.register import Added, Register, beside
from trio_supervisor.control.sources import Sources, Written, check_meant
from trio_supervisor.core.child import Child
from trio_supervisor.core.notices import Notice, StateChanged
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import (
    CallError,
    ConfigError,
    ConflictError,
    RequestError,
    SpecError,
    UnknownAgentError,
)
from trio_supervisor.journal.entries import Plain
from trio_supervisor.journal.orders import Order as Recorded
from trio_supervisor.spec import ChildSpec, check_id

if TYPE_CHECKING:
    from trio_supervisor.sessions.session import Session

_BY_HAND = frozenset({State.STOPPED, State.HELD})
_ENDING_THAT = frozenset({Verb.START, Verb.RESTART, Verb.RESUME, Verb.RESET, Verb.REMOVE})


class LocalControl(Looking):
    """Looks at a supervisor, and sends it facts; see `Control`."""

    def __init__(self, supervisor: Supervisor, nursery: trio.Nursery) -> None:
        """`nursery`: where commands wait for their effect, so that who has given one may go away."""
        self._register = Register(supervisor)
        # Before anybody else hears of a change.
        supervisor.listen(self._keep_register)
        super().__init__(supervisor)
        self._operations = Operations(nursery)
        self._shutdown_listeners: list[Callable[[], None]] = []
        self._record: Callable[[Recorded], Awaitable[bool]] | None = None
        self._written_in: Sources | None = None
        self._applying: tuple[Order, Written] | None = None
        """The last one."""
        self._to_purge: set[str] = set()
        self._put_down: set[str] = set()
        """Children that a command has put down."""

    def _keep_register(self, path: str, notice: Notice) -> None:
        if isinstance(notice, StateChanged) and notice.new in (State.REMOVED, State.READY):
            agent = f"{path}/{notice.child}" if path else notice.child
            (self._register.note_gone if notice.new is State.REMOVED else self._register.bring_back)(agent)

    # Commands

    async def start(self, agent: str, *, reason: str = "started by hand", wait: Wait = True) -> Operation:
        """Have it up. Raises ChildStartError if it comes to rest instead."""
        return await self._order(Verb.START, agent, partial(asking.start, reason=reason), wait, reason)

    async def stop(self, agent: str, *, wait: Wait = True) -> Operation:
        """Have it down until somebody starts it, or its group is restarted."""
        return await self._order(Verb.STOP, agent, asking.stop, wait)

    async def restart(
        self, agent: str, *, reason: str = "restarted by hand", generation: int | None = None, wait: Wait = True
    ) -> Operation:
        """Begin a new life; with `generation`, only if that life is still the present one. Raises ChildStartError."""
        effect = partial(asking.restart, reason=reason)
        present = locate(self._supervisor, agent)[1].generation
        if generation is not None and generation > present:
            raise ConflictError(f"generation: {agent} has had {present} lives, so none with number {generation}")
        if generation is not None and generation < present:
            # It was restarted since: what is left to wait for is that it is up.
            effect = partial(asking.start, reason=reason)
        return await self._order(Verb.RESTART, agent, effect, wait, reason)

    async def hold(self, agent: str, *, reason: str = "held by hand", wait: Wait = True) -> Operation:
        """Keep it down until it is resumed or started, whatever becomes of its siblings."""
        if not reason:
            raise RequestError("reason: who is held must be told why; leave it out, or write some words")
        return await self._order(Verb.HOLD, agent, partial(asking.hold, reason=reason), wait, reason)

    async def resume(self, agent: str, *, reason: str = "resumed by hand", wait: Wait = True) -> Operation:
        """End a hold; without one nothing changes. Raises ChildStartError."""
        return await self._order(Verb.RESUME, agent, partial(asking.resume, reason=reason), wait, reason)

    async def reset(self, agent: str) -> Operation:
        """Forget how often it has failed: restarts, delay and limit begin anew."""
        return await self._order(Verb.RESET, agent, asking.reset, wait=True)

    async def remove(
        self,
        agent: str,
        *,
        reason: str = "removed by hand",
        purge: bool = False,
        force: bool = False,
        wait: Wait = True,
    ) -> Operation:
        """Stop it and forget it; `purge`: with its workspace, if that is in the state directory; `force`: also if
        others depend on it. Raises NeededError: others do.
        """
        lost = self._check_unneeded(agent, force=force)
        if purge:
            # Also where somebody else's removal is under way that this one joins.
            self._to_purge.add(agent)

        async def remove(engine: Supervisor, child: Child) -> None:
            await asking.remove(engine, child, reason)
            if agent in self._to_purge:
                self._to_purge.discard(agent)
                await _purge(agent)

        return await self._order(Verb.REMOVE, agent, remove, wait, reason, warnings=lost)

    def _check_unneeded(self, agent: str, *, force: bool) -> Sequence[str]:
        """What others lose by its end."""
        engine, child = locate(self._supervisor, agent)
        if self._operations.is_pending(Verb.REMOVE, agent):
            return ()
        going = {id for id in engine.children if self._operations.is_pending(Verb.REMOVE, engine.path_of(id))}
        if not force:
            check_unneeded(engine, child.id, going)
        return losses(engine, child.id, going)

    async def signal(self, agent: str, number: int, *, group: bool = True) -> Operation:
        """Send a signal that is no request to end, to its group or to the leader alone."""
        try:
            number = signals.Signals(number)
        except ValueError:
            raise RequestError(f"signal: there is no signal with number {number}") from None
        return await self._order(Verb.SIGNAL, agent, partial(talking.signal, number=number, group=group), wait=True)

    async def send(
        self, agent: str, data: bytes, *, expect: str | None = None, timeout: float = 30.0, wait: Wait = True
    ) -> Operation:
        """Write to its standard input, and wait for an answer where one is expected; see `Control`."""
        if expect is None:
            return await self._order(Verb.SEND, agent, partial(talking.send, data=data), wait)
        from trio_supervisor.control.asking_back import send_and_expect  # noqa: PLC0415 -- most runs expect nothing

        heard: list[Heard] = []
        effect = send_and_expect(data, expect, timeout, heard.append)
        return await self._order(Verb.SEND, agent, effect, wait, heard=heard)

    async def attach(self, agent: str, *, write: bool = True, force: bool = False) -> "Session":
        """Talk with it, or only watch; see `Control`. Raises WriterBusyError, ConflictError."""
        from trio_supervisor.control.joining import join  # noqa: PLC0415 -- most runs talk with nobody

        engine, child = locate(self._supervisor, agent)
        session = join(engine, child, str(caller()), write=write, force=force)
        try:
            if write:
                await self._write_down("attach", agent, "by force" if force else "")
        except BaseException:
            session.detach()
            raise
        return session

    async def add(self, spec: ChildSpec, *, under: str = "", wait: Wait = True) -> Operation:
        """Add a child and start it; `under`: the path of its supervisor. Raises ChildStartError, SpecError."""
        engine, agent = self._supervisor_of(under), f"{under}/{spec.id}" if under else spec.id
        self._register.note_path(agent)
        look = partial(self._look_at, agent)
        return await self._begin(Verb.ADD, agent, look, partial(scaling.add, engine, spec), wait)

    async def register(self, agent: str, text: str, *, start: bool = True, wait: Wait = True) -> Operation:
        """Add an agent by what would stand under its name in a file, and start it; see `Control`."""
        until = _seconds(wait)
        under, slash, name = agent.rpartition("/")
        if slash and not under:
            raise UnknownAgentError(f"{agent!r}: a path begins with a name")
        _check_name(name)
        engine = self._supervisor_of(under)
        added = self._register.is_there(agent, text, engine)
        effect: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        if added is None:
            from trio_supervisor.control import adding  # noqa: PLC0415 -- in most runs nobody is added

            adding.check_place(engine, agent)
            written = await self._read_agent(text, agent)
            engine = self._supervisor_of(under)
            specs = adding.checked(engine, agent, written.spec.children)
            added = Added(text, start, specs)
            effect = partial(self._add_all, agent, partial(adding.add_all, engine, specs, start=start))
            self._note_added(agent, added)
        recorded = partial(self._write_down, Verb.ADD.value, agent, "", added.value, lasts=True)
        warnings: list[str] = []
        effect = partial(self._recorded, recorded, effect, warnings)
        look = partial(self._look_at, agent)
        return await _wait(self._operations.begin(Verb.ADD, agent, look, effect, warnings=warnings), until)

    async def _add_all(self, agent: str, add: Callable[[], Awaitable[None]]) -> None:
        try:
            await add()
        except (CallError, SpecError):
            # It was refused, so it is not there.
            self._register.note_gone(agent)
            raise

    def _note_added(self, agent: str, added: Added) -> None:
        self._register.note(agent, added)
        if not added.start:
            self._put_down.update(beside(agent, spec.id) for spec in added.specs)

    def restore(self, added: Mapping[str, Added], held: Mapping[str, str]) -> None:
        """Have those again that were added in an earlier run, by path; `held`: why, of those that stay held."""
        down = {beside(agent, spec.id) for agent, each in added.items() if not each.start for spec in each.specs}
        self.note_put_down(down.union(held))
        self._register.restore(added, held)

    def note_put_down(self, agents: Iterable[str]) -> None:
        """These were put down by commands, in an earlier run: somebody may want them up again."""
        self._put_down.update(agents)

    async def scale(self, agent: str, replicas: int, *, wait: Wait = True) -> Operation:
        """Have so many replicas of an agent (`web` stands for `web-1`, `web-2`, ...), or instances of a template (by
        the path of its supervisor); the last ones go first.
        """
        inner = find(self._supervisor, agent)
        if inner is not None and inner.spec.template is not None:
            effect = partial(scaling.scale_instances, inner, replicas)
        else:
            way, _, name = agent.rpartition("/")
            effect = partial(scaling.scale_replicas, self._supervisor_of(way), name, replicas)
        return await self._begin(Verb.SCALE, agent, partial(self._look_at, agent), effect, wait)

    async def plan(self, *, file: str | None = None) -> Plan:
        """Read what is written, and compare the tree with it; see `Control`."""
        from trio_supervisor.control import planning  # noqa: PLC0415 -- most runs apply nothing

        planned = planning.plan(self._supervisor, await self._read_file(file), self._register.paths)
        return Plan(tuple(planned.changes), planned.written.warnings, tuple(planned.refusals))

    async def apply(self, *, file: str | None = None, wait: Wait = True) -> Operation:
        """Read what is written, and bring the tree to it; see `Control`."""
        until = _seconds(wait)
        written = await self._read_file(file)
        if self._applying is not None and not self._applying[0].over.is_set() and self._applying[1] == written:
            await self._write_down(Verb.APPLY.value, "", "as it is being done already")
            return await _wait(self._applying[0], until)
        from trio_supervisor.control import applying, planning  # noqa: PLC0415 -- most runs apply nothing
        from trio_supervisor.journal.restoring import paths  # noqa: PLC0415

        await self._taken_in()
        planned = planning.plan(self._supervisor, written, self._register.paths)
        applying.check(planned)
        work = applying.Applying(planned)
        # Before any checkpoint: as planned, so done.
        work.begin()
        recorded = partial(self._write_down, Verb.APPLY.value, "", work.words)
        effect = partial(self._recorded, recorded, work.run, [])
        order = self._operations.begin(Verb.APPLY, "", lambda: Looks(0, work.awaits), effect)
        order.changes = tuple(planned.changes)
        self._applying = order, written
        for path in paths(written.spec):
            if path in self._register.paths:
                self._register.note_gone(path)
        return await _wait(order, until)

    def read_by(self, sources: Sources) -> None:
        """Have it read so what the tree is to be."""
        self._written_in = sources
        self._register.complain = sources.complain

    async def _read_agent(self, text: str, agent: str) -> Written:
        if self._written_in is None or self._written_in.agents is None:
            raise ConflictError("this supervisor can't read what is said of an agent")
        found = (await self._written_in.agents({agent: text}))[agent]
        if isinstance(found, ConfigError):
            raise found
        return found

    async def _read_file(self, meant: str | None) -> Written:
        if self._written_in is None:
            raise ConflictError("this supervisor runs no file that could be read again")
        check_meant(meant, self._written_in.path)
        return await self._written_in.file()

    async def _taken_in(self) -> None:
        """Wait until what was asked before is known to everybody."""
        engines = list(supervisors(self._supervisor))
        while waiting := next((each for each in engines if each.has_waiting and not each.over), None):
            await waiting.wait_change()

    def _supervisor_of(self, path: str) -> Supervisor:
        engine = find(self._supervisor, path)
        if engine is None:
            raise UnknownAgentError(f"there is no supervisor {path!r}")
        return engine

    def _look_at(self, agent: str) -> Looks:
        try:
            return _look(locate(self._supervisor, agent)[1])
        except UnknownAgentError:
            return Looks(0, "not there yet")

    def operation(self, number: int) -> Operation:
        """What has become of a command. Raises UnknownOperationError: there is none, or it is long over."""
        return self._operations.find(number).told()

    async def outcome(self, number: int, *, wait: Wait = True) -> Operation:
        """The same at the end of the command, whose error is raised."""
        until = _seconds(wait)
        return await _wait(self._operations.find(number), until)

    async def _order(
        self,
        verb: Verb,
        agent: str,
        effect: Callable[[Supervisor, Child], Awaitable[None]],
        wait: Wait,
        reason: str = "",
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
    ) -> Operation:
        engine, child = locate(self._supervisor, agent)
        _check_ending(engine, verb, agent)

        async def take_effect() -> None:
            await effect(engine, child)
            if verb in (Verb.STOP, Verb.HOLD, Verb.REMOVE):
                asking.check_killed(engine, child)

        by_hand = child.state in _BY_HAND or child.hold or agent in self._register.paths
        lasts = verb in (Verb.STOP, Verb.HOLD) or (verb in _ENDING_THAT and bool(by_hand))
        look = partial(_look, child)
        return await self._begin(verb, agent, look, take_effect, wait, reason, heard, warnings, lasts=lasts)

    async def _begin(
        self,
        verb: Verb,
        agent: str,
        look: Callable[[], Looks],
        effect: Callable[[], Awaitable[None]],
        wait: Wait,
        reason: str = "",
        heard: Sequence[Heard] = (),
        warnings: Sequence[str] = (),
        *,
        lasts: bool = False,
    ) -> Operation:
        until = _seconds(wait)
        # What a reason says by itself, without anybody, is in the verb already.
        reason = "" if reason.endswith(" by hand") else reason
        recorded = partial(self._write_down, verb.value, agent, reason, lasts=lasts)
        latest = self._operations.latest
        told = list(warnings)
        order = self._operations.begin(verb, agent, look, partial(self._recorded, recorded, effect, told), heard, told)
        if verb in (Verb.STOP, Verb.HOLD):
            self._put_down.add(agent)
        elif verb in (Verb.START, Verb.RESTART, Verb.RESUME, Verb.REMOVE):
            self._put_down.discard(agent)
            if verb is not Verb.REMOVE:
                self._register.note_started(agent)
        if order.number <= latest:
            # It is under way for somebody else; that this one wants it too is written down all the same.
            await recorded()
        return await _wait(order, until)

    async def _recorded(
        self, recorded: Callable[[], Awaitable[str]], effect: Callable[[], Awaitable[None]], warnings: list[str]
    ) -> None:
        if warning := await recorded():
            warnings.append(warning)
        await effect()

    async def _write_down(self, verb: str, agent: str, reason: str, added: Plain = None, *, lasts: bool = False) -> str:
        """Have it in the journal; returns what should be known of that. `lasts`: the next run is to know of it, too."""
        somebody = caller()
        order = Recorded(verb, agent, reason, somebody.who, somebody.origin, added)
        is_kept = self._record is not None and await self._record(order)
        trouble = self._trouble() or ("" if self._record is None else "the disk has not taken it yet")
        if is_kept or not trouble or not lasts:
            return ""
        return f"not kept for the next run, unless it can be written before the end of this one: {trouble}"

    def record_orders(
        self,
        record: Callable[[Recorded], Awaitable[bool]],
        journal: str | None = None,
        remember: Callable[[str, str, Plain], None] | None = None,
        trouble: Callable[[], str] = str,
    ) -> None:
        """Have `record` awaited with every command before its effect begins, which tells whether it is kept; it must
        not raise, and is bounded. `journal`: the path of the file in which all of it can be read; `remember` keeps a
        value for the next run; `trouble` tells why nothing is kept just now, if so.
        """
        self._trouble = trouble
        self._record = record
        self._journal = journal
        if remember is not None:
            self._register.remember = remember

    def keep_nothing(self, trouble: str) -> None:
        """Have it told with every command that the next run will not know of it; `trouble`: why."""
        self._trouble = lambda: trouble

    # The end

    async def shutdown(self, *, reason: str = "asked to stop", now: bool = False, wait: Wait = True) -> Operation:
        """Stop everything, as somebody asked for it; `now`: without any grace."""
        _seconds(wait)
        for call in self._shutdown_listeners:
            call()
        await self._write_down("hurry" if now else "shutdown", "", reason)
        (self.hurry if now else self.end)(reason)
        order = self._operations.begin(Verb.SHUTDOWN, "", self._look_at_all, self._supervisor.wait)
        return await _wait(order, _seconds(wait))

    def _look_at_all(self) -> Looks:
        alive = [child.id for child in self._supervisor.children.values() if child.state.alive]
        return Looks(0, f"stopping: {', '.join(alive)}" if alive else "stopping")

    def on_shutdown(self, call: Callable[[], None]) -> None:
        """Have `call` called when somebody asks for the end by `shutdown`."""
        self._shutdown_listeners.append(call)

    def end(self, reason: str) -> None:
        """Begin the orderly stop of everything."""
        self._supervisor.stop(reason)

    def hurry(self, reason: str) -> None:
        """Stop everything without any grace."""
        self._supervisor.hurry(reason)

    async def wait(self) -> None:
        """Wait until nothing is left to run; see `Control`."""
        await self._supervisor.wait()
        while not self._supervisor.ending:
            if self._operations.builds is not None:
                # It may just be between the one that goes and the one that comes.
                await self._operations.builds.wait()
            elif self._is_to_come_back():
                await self._supervisor.wait_change()
            else:
                return
            await self._supervisor.wait()

    def _is_to_come_back(self) -> bool:
        children = self._supervisor.children
        return any(name in children and children[name].state in _BY_HAND for name in self._put_down)


async def _purge(agent: str) -> None:
    from trio_supervisor import workspaces  # noqa: PLC0415 -- for those alone

    try:
        await trio.to_thread.run_sync(workspaces.remove, agent, workspaces.current())
    except OSError as error:
        raise ConflictError(f"{agent}: removed, but its workspace is not: {error.strerror}: {error.filename}") from None


def _seconds(wait: Wait) -> float:
    try:
        return patience(wait)
    except ValueError as error:
        raise RequestError(str(error)) from None


async def _wait(order: Order, seconds: float) -> Operation:
    with trio.move_on_after(seconds):
        await order.over.wait()
    if order.error is not None:
        raise order.error
    return order.told()


def _look(child: Child) -> Looks:
    return Looks(child.generation, f"{child.state.value}: {child.reason}" if child.reason else child.state.value)


def _check_name(name: str) -> None:
    try:
        check_id(name)
    except SpecError as error:
        raise RequestError(str(error)) from None


def _check_ending(engine: Supervisor, verb: Verb, agent: str) -> None:
    if engine.ending is None or verb not in (Verb.START, Verb.RESTART, Verb.RESUME):
        return
    if engine.over and engine.path:
        raise ConflictError(f"{agent}: its supervisor {engine.path} does not run: start that")
    raise ConflictError(f"{agent}: nothing is started any more: {engine.ending.reason}")
