"""Control of a supervisor in the same process."""

import signal as signals
from collections.abc import Callable, Iterable, Mapping, Sequence
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
)
from trio_supervisor.control.callers import caller
from trio_supervisor.control.dependents import check_unneeded, losses
from trio_supervisor.control.looking import Looking
from trio_supervisor.control.looks import find, locate, supervisor_at
from trio_supervisor.control.operations import Looks
from trio_supervisor.control.orders import Orders, Record, seconds, wait_for
from trio_supervisor.control.register import Added, Register, beside
from trio_supervisor.control.sources import Sources
from trio_supervisor.core.child import Child
from trio_supervisor.core.notices import Notice, StateChanged
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import (
    ConflictError,
    RequestError,
)
from trio_supervisor.journal.entries import Plain
from trio_supervisor.spec import ChildSpec

if TYPE_CHECKING:
    from trio_supervisor.control.tree_file import TreeFile
    from trio_supervisor.sessions.session import Session


class LocalControl(Looking):
    """Looks at a supervisor, and sends it facts; see `Control`."""

    def __init__(self, supervisor: Supervisor, nursery: trio.Nursery) -> None:
        """`nursery`: where commands wait for their effect, so that who has given one may go away."""
        self._register = Register(supervisor)
        # Before anybody else hears of a change.
        supervisor.listen(self._keep_register)
        super().__init__(supervisor)
        self._orders = Orders(supervisor, nursery, self._register, lambda: self._trouble())
        self._shutdown_listeners: list[Callable[[], None]] = []
        self._written_in: Sources | None = None
        self._file: TreeFile | None = None
        """Once it was asked for."""
        self._to_purge: set[str] = set()

    def _keep_register(self, path: str, notice: Notice) -> None:
        if isinstance(notice, StateChanged) and notice.new in (State.REMOVED, State.READY):
            agent = f"{path}/{notice.child}" if path else notice.child
            (self._register.note_gone if notice.new is State.REMOVED else self._register.bring_back)(agent)

    # Commands

    async def start(self, agent: str, *, reason: str = "started by hand", wait: Wait = True) -> Operation:
        """Have it up. Raises ChildStartError if it comes to rest instead."""
        return await self._orders.give(Verb.START, agent, partial(asking.start, reason=reason), wait, reason)

    async def stop(self, agent: str, *, wait: Wait = True) -> Operation:
        """Have it down until somebody starts it, or its group is restarted."""
        return await self._orders.give(Verb.STOP, agent, asking.stop, wait)

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
        return await self._orders.give(Verb.RESTART, agent, effect, wait, reason)

    async def hold(self, agent: str, *, reason: str = "held by hand", wait: Wait = True) -> Operation:
        """Keep it down until it is resumed or started, whatever becomes of its siblings."""
        if not reason:
            raise RequestError("reason: who is held must be told why; leave it out, or write some words")
        return await self._orders.give(Verb.HOLD, agent, partial(asking.hold, reason=reason), wait, reason)

    async def resume(self, agent: str, *, reason: str = "resumed by hand", wait: Wait = True) -> Operation:
        """End a hold; without one nothing changes. Raises ChildStartError."""
        return await self._orders.give(Verb.RESUME, agent, partial(asking.resume, reason=reason), wait, reason)

    async def reset(self, agent: str) -> Operation:
        """Forget how often it has failed: restarts, delay and limit begin anew."""
        return await self._orders.give(Verb.RESET, agent, asking.reset, wait=True)

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

        return await self._orders.give(Verb.REMOVE, agent, remove, wait, reason, warnings=lost)

    def _check_unneeded(self, agent: str, *, force: bool) -> Sequence[str]:
        """What others lose by its end."""
        engine, child = locate(self._supervisor, agent)
        if self._orders.operations.is_pending(Verb.REMOVE, agent):
            return ()
        going = {id for id in engine.children if self._orders.operations.is_pending(Verb.REMOVE, engine.path_of(id))}
        if not force:
            check_unneeded(engine, child.id, going)
        return losses(engine, child.id, going)

    async def signal(self, agent: str, number: int, *, group: bool = True) -> Operation:
        """Send a signal that is no request to end, to its group or to the leader alone."""
        try:
            number = signals.Signals(number)
        except ValueError:
            raise RequestError(f"signal: there is no signal with number {number}") from None
        effect = partial(talking.signal, number=number, group=group)
        return await self._orders.give(Verb.SIGNAL, agent, effect, wait=True)

    async def send(
        self, agent: str, data: bytes, *, expect: str | None = None, timeout: float = 30.0, wait: Wait = True
    ) -> Operation:
        """Write to its standard input, and wait for an answer where one is expected; see `Control`."""
        if expect is None:
            return await self._orders.give(Verb.SEND, agent, partial(talking.send, data=data), wait)
        from trio_supervisor.control.asking_back import send_and_expect  # noqa: PLC0415 -- most runs expect nothing

        heard: list[Heard] = []
        effect = send_and_expect(data, expect, timeout, heard.append)
        return await self._orders.give(Verb.SEND, agent, effect, wait, heard=heard)

    async def attach(self, agent: str, *, write: bool = True, force: bool = False) -> "Session":
        """Talk with it, or only watch; see `Control`. Raises WriterBusyError, ConflictError."""
        from trio_supervisor.control.joining import join  # noqa: PLC0415 -- most runs talk with nobody

        engine, child = locate(self._supervisor, agent)
        session = join(engine, child, str(caller()), write=write, force=force)
        try:
            if write:
                await self._orders.write_down("attach", agent, "by force" if force else "")
        except BaseException:
            session.detach()
            raise
        return session

    async def add(self, spec: ChildSpec, *, under: str = "", wait: Wait = True) -> Operation:
        """Add a child and start it; `under`: the path of its supervisor. Raises ChildStartError, SpecError."""
        engine, agent = supervisor_at(self._supervisor, under), f"{under}/{spec.id}" if under else spec.id
        self._register.note_path(agent)
        look = partial(self._orders.look_at, agent)
        return await self._orders.carry_out(Verb.ADD, agent, look, partial(scaling.add, engine, spec), wait)

    async def register(self, agent: str, text: str, *, start: bool = True, wait: Wait = True) -> Operation:
        """Add an agent by what would stand under its name in a file, and start it; see `Control`."""
        from trio_supervisor.control.additions import Additions  # noqa: PLC0415 -- in most runs nobody is added

        additions = Additions(self._supervisor, self._written_in, self._orders, self._register)
        return await additions.add(agent, text, wait, start=start)

    def restore(self, added: Mapping[str, Added], held: Mapping[str, str]) -> None:
        """Have those again that were added in an earlier run, by path; `held`: why, of those that stay held."""
        down = {beside(agent, spec.id) for agent, each in added.items() if not each.start for spec in each.specs}
        self.note_put_down(down.union(held))
        self._register.restore(added, held)

    def note_put_down(self, agents: Iterable[str]) -> None:
        """These were put down by commands, in an earlier run: somebody may want them up again."""
        self._orders.note_put_down(agents)

    async def scale(self, agent: str, replicas: int, *, wait: Wait = True) -> Operation:
        """Have so many replicas of an agent (`web` stands for `web-1`, `web-2`, ...), or instances of a template (by
        the path of its supervisor); the last ones go first.
        """
        inner = find(self._supervisor, agent)
        if inner is not None and inner.spec.template is not None:
            effect = partial(scaling.scale_instances, inner, replicas)
        else:
            way, _, name = agent.rpartition("/")
            effect = partial(scaling.scale_replicas, supervisor_at(self._supervisor, way), name, replicas)
        return await self._orders.carry_out(Verb.SCALE, agent, partial(self._orders.look_at, agent), effect, wait)

    async def plan(self, *, file: str | None = None) -> Plan:
        """Read what is written, and compare the tree with it; see `Control`."""
        return await self._tree_file.plan(file)

    async def apply(self, *, file: str | None = None, wait: Wait = True) -> Operation:
        """Read what is written, and bring the tree to it; see `Control`."""
        return await self._tree_file.apply(file, wait)

    @property
    def _tree_file(self) -> "TreeFile":
        if self._file is None:
            from trio_supervisor.control.tree_file import TreeFile  # noqa: PLC0415 -- most runs apply nothing

            if self._written_in is None:
                raise ConflictError("this supervisor runs no file that could be read again")
            self._file = TreeFile(self._supervisor, self._written_in, self._orders, self._register)
        return self._file

    def read_by(self, sources: Sources) -> None:
        """Have it read so what the tree is to be."""
        self._written_in, self._file = sources, None
        self._register.complain = sources.complain

    def operation(self, number: int) -> Operation:
        """What has become of a command. Raises UnknownOperationError: there is none, or it is long over."""
        return self._orders.operations.find(number).told()

    async def outcome(self, number: int, *, wait: Wait = True) -> Operation:
        """The same at the end of the command, whose error is raised."""
        until = seconds(wait)
        return await wait_for(self._orders.operations.find(number), until)

    def record_orders(
        self,
        record: Record,
        journal: str | None = None,
        remember: Callable[[str, str, Plain], None] | None = None,
        trouble: Callable[[], str] = str,
    ) -> None:
        """Have `record` awaited with every command before its effect begins, which tells whether it is kept; it must
        not raise, and is bounded. `journal`: the path of the file in which all of it can be read; `remember` keeps a
        value for the next run; `trouble` tells why nothing is kept just now, if so.
        """
        self._trouble = trouble
        self._orders.record = record
        self._journal = journal
        if remember is not None:
            self._register.remember = remember

    def keep_nothing(self, trouble: str) -> None:
        """Have it told with every command that the next run will not know of it; `trouble`: why."""
        self._trouble = lambda: trouble

    # The end

    async def shutdown(self, *, reason: str = "asked to stop", now: bool = False, wait: Wait = True) -> Operation:
        """Stop everything, as somebody asked for it; `now`: without any grace."""
        seconds(wait)
        for call in self._shutdown_listeners:
            call()
        await self._orders.write_down("hurry" if now else "shutdown", "", reason)
        (self.hurry if now else self.end)(reason)
        order = self._orders.operations.begin(Verb.SHUTDOWN, "", self._look_at_all, self._supervisor.wait)
        return await wait_for(order, seconds(wait))

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
            if self._orders.operations.builds is not None:
                # It may just be between the one that goes and the one that comes.
                await self._orders.operations.builds.wait()
            elif self._orders.somebody_is_down:
                await self._supervisor.wait_change()
            else:
                return
            await self._supervisor.wait()


async def _purge(agent: str) -> None:
    from trio_supervisor import workspaces  # noqa: PLC0415 -- for those alone

    try:
        await trio.to_thread.run_sync(workspaces.remove, agent, workspaces.current())
    except OSError as error:
        raise ConflictError(f"{agent}: removed, but its workspace is not: {error.strerror}: {error.filename}") from None
