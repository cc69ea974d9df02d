"""The sessions of a supervisor: started for their owners as temporary children of it, listed, timed, and ended with it.

An owner sees only its own: of another's the same is said as of one that is not there. One task waits for the next
deadline of all; nothing is polled. Times are seconds.
"""

import math
import shlex
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Self

import trio
from attrs import evolve

from trio_supervisor.core.answers import Answer, Verb
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.core.facts import RemoveAsked
from trio_supervisor.core.notices import LifeEnded, Notice, StateChanged
from trio_supervisor.core.policy import Restart
from trio_supervisor.core.state import State
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import CallError, ChildStartError, SessionLimitError, SpecError, UnknownSessionError
from trio_supervisor.sessions.attaching import attach
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.records import EndedFor, Ending, LifeLimits, Record, SessionInfo, SessionLimits
from trio_supervisor.sessions.session import Session
from trio_supervisor.spec import ChildSpec, ProcessSpec, Stdin
from trio_supervisor.spec.presets import PRESETS

STOPPED_WITHIN = 30.0
"""So long the sessions have at the end of the block; then they are killed, and have ..."""
KILLED_WITHIN = 10.0
"""... so long to be gone."""
_ID_BYTES = 16


class Registry:
    """The sessions of one supervisor. `opened()` makes it."""

    def __init__(self, engine: Supervisor, limits: SessionLimits) -> None:
        if engine.spec.template is not None:
            raise SpecError("sessions need a supervisor without a template: their commands differ")
        self.limits = limits
        self._engine = engine
        self._records: dict[str, Record] = {}
        self._open = False
        self._changed = trio.Event()
        """Set when there may be another next deadline."""
        self._listeners: list[trio.MemorySendChannel[Ending]] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Serve while the block lasts; all sessions are stopped at its end, and gone after it."""
        self._engine.listen(self._listen)
        self._open = True
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time, nursery)
                try:
                    yield self
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    self._open = False
                    with trio.CancelScope(shield=True):
                        await self._stop_all([each for each in self._records.values() if each.live])
                    nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # What the block has raised comes out as it is.
            if failure is None or group.exceptions != (failure,):
                raise
        finally:
            self._close()
        if failure is not None:
            raise failure

    def _close(self) -> None:
        self._engine.ignore(self._listen)
        for record in self._records.values():
            record.channel.close()
        for listener in self._listeners:
            listener.close()

    # For owners

    async def start_spec(self, owner: str, spec: ChildSpec, limits: LifeLimits | None = None) -> Session:
        """Start a session with what the spec says, under an id of its own and never restarted; the owner may write.

        `limits`: how long it may live, in place of what holds for all.

        Raises:
            SessionLimitError: the owner, or all together, have as many live ones as they may.
            ChildStartError: it can't be started, and why.
            CallError: the supervisor ends, or may have no more children.
        """
        self._check_room(owner)
        limits = limits or self.limits.of_one(None, None, None)
        spec = _as_session(spec, token_hex(_ID_BYTES))
        now = trio.current_time()
        record = Record(spec.id, owner, _command(spec), Channel(self._engine, spec.id), now, limits)
        # Before anybody else can ask: who comes next counts it.
        self._records[spec.id] = record
        try:
            await self._start(spec)
        except BaseException:
            # Refused, failed or cancelled: if there is anything of it, it goes.
            self._forget(record)
            self._engine.post(RemoveAsked(spec.id, "its session did not start"))
            raise
        record.running = True
        if not record.live:
            self._announce(record)
        self._changed.set()
        return attach(record.channel.again(), owner, write=True, replay=True)

    def attach(
        self,
        owner: str,
        id: str,
        holder: str = "",
        *,
        write: bool = True,
        replay: bool | int = True,
        force: bool = False,
    ) -> Session:
        """Talk with a session that was started earlier, or only listen; see `Handle.attach`.

        Raises:
            UnknownSessionError: there is none, or it is another owner's.
            WriterBusyError: somebody else writes; names who.
        """
        record = self._record(owner, id)
        return attach(record.channel.again(), holder or owner, write=write, replay=replay, force=force)

    def list(self, owner: str) -> tuple[SessionInfo, ...]:
        """The owner's sessions, those that have ended lately too; the oldest first."""
        now = trio.current_time()
        return tuple(each.info(now) for each in self._records.values() if each.owner == owner)

    def info(self, owner: str, id: str) -> SessionInfo:
        """One session. Raises UnknownSessionError."""
        return self._record(owner, id).info(trio.current_time())

    async def wait_exit(self, owner: str, id: str) -> Exit:
        """Wait until a session has ended; at once if it has. Raises UnknownSessionError."""
        record = self._record(owner, id)
        await record.channel.wait_over(1)
        return _exit_of(record)

    async def stop(self, owner: str, id: str) -> Exit:
        """Stop a session in order: by the steps of its stop, then the kill of all that is left. Returns how it ended.

        Raises UnknownSessionError.
        """
        record = self._record(owner, id)
        await self._stop(record)
        return _exit_of(record)

    async def kill(self, owner: str, id: str) -> Exit:
        """Kill a session and all that it has started, at once; returns when nothing is left. Raises
        UnknownSessionError.
        """
        record = self._record(owner, id)
        record.ended_for = record.ended_for or (EndedFor.ASKED if record.live else None)
        record.channel.kill()
        await record.channel.wait_over(1)
        return _exit_of(record)

    async def end(self, owner: str) -> None:
        """Stop all sessions of an owner, which is gone itself."""
        await self._stop_all([each for each in self._records.values() if each.live and each.owner == owner])

    async def clean_up(
        self, max_age: float = math.inf, max_idle: float = math.inf, max_quiet: float = math.inf
    ) -> tuple[str, ...]:
        """Stop, now, all that have lived, or were idle or quiet, for so long; returns their ids."""
        now, limits = trio.current_time(), LifeLimits(max_age, max_idle, max_quiet)
        live = [each for each in self._records.values() if each.live and each.running]
        due = [each for each in live if each.due(now, limits) is not None]
        for record in due:
            record.ended_for = record.ended_for or record.due(now, limits)
        await self._stop_all(due)
        return tuple(each.id for each in due)

    def endings(self) -> "trio.MemoryReceiveChannel[Ending]":
        """Each end of a session from now on, once. Nothing is lost, and nothing waits for the reader."""
        send, receive = trio.open_memory_channel[Ending](math.inf)
        self._listeners.append(send)
        return receive

    # Starting

    def _check_room(self, owner: str) -> None:
        if not self._open:
            raise CallError("sessions", Answer.SHUTTING_DOWN)
        live = [each for each in self._records.values() if each.live]
        own = sum(each.owner == owner for each in live)
        if own >= self.limits.per_owner:
            raise SessionLimitError(f"owner {owner!r} has {own} live sessions, and may have {self.limits.per_owner}")
        if len(live) >= self.limits.total:
            raise SessionLimitError(f"there are {len(live)} live sessions, and may be {self.limits.total}")

    async def _start(self, spec: ChildSpec) -> None:
        id, reply = await self._engine.start_child(spec)
        if reply.answer is Answer.START_FAILED:
            raise ChildStartError(id, reply.exit)
        if not reply.answer.good:
            raise CallError(id, reply.answer)

    def _record(self, owner: str, id: str) -> Record:
        record = self._records.get(id)
        if record is None or record.owner != owner:
            raise UnknownSessionError(id)
        return record

    def _forget(self, record: Record) -> None:
        record.channel.close()
        self._records.pop(record.id, None)

    # Ending

    async def _stop(self, record: Record) -> None:
        if record.live:
            record.ended_for = record.ended_for or EndedFor.ASKED
            await self._engine.call(Verb.TERMINATE, record.id)
        await record.channel.wait_over(1)

    async def _stop_all(self, records: Iterable[Record]) -> None:
        for within in (STOPPED_WITHIN, KILLED_WITHIN):
            with trio.move_on_after(within):
                async with trio.open_nursery() as nursery:
                    for record in records:
                        nursery.start_soon(self._stop, record)
            for record in records:
                if record.live:
                    record.channel.kill()

    def _listen(self, path: str, notice: Notice) -> None:
        if path != self._engine.path or not isinstance(notice, LifeEnded | StateChanged):
            return
        record = self._records.get(notice.child)
        if record is None or not record.live:
            return
        if isinstance(notice, LifeEnded):
            self._take_end(record, notice.exit)
        elif notice.new is State.REMOVED or notice.new.resting:
            # It had no life to end.
            self._take_end(record, notice.exit or Exit(How.CANCELLED))

    def _take_end(self, record: Record, exit: Exit) -> None:
        now = trio.current_time()
        record.ended, record.exit = now, exit
        record.channel.lease.end()
        if record.running:
            self._announce(record)
        self._changed.set()

    def _announce(self, record: Record) -> None:
        for listener in tuple(self._listeners):
            try:
                listener.send_nowait(record.ending(trio.current_time()))
            except trio.BrokenResourceError:
                self._listeners.remove(listener)
        # What it has said stays here; the tree is rid of it.
        self._engine.post(RemoveAsked(record.id, "its session has ended"))

    async def _keep_time(self, nursery: trio.Nursery) -> None:
        """Stop whose time is over, and forget who ended long ago, until cancelled."""
        while True:
            self._changed = trio.Event()
            now = trio.current_time()
            self._forget_the_oldest()
            for record in tuple(self._records.values()):
                if record.deadline(self.limits.keep_for, now) > now:
                    continue
                if record.live:
                    record.ended_for = record.due(now)
                    nursery.start_soon(self._stop, record)
                else:
                    self._forget(record)
            until = min((each.deadline(self.limits.keep_for, now) for each in self._records.values()), default=math.inf)
            with trio.move_on_at(until):
                await self._changed.wait()

    def _forget_the_oldest(self) -> None:
        ended = [each for each in self._records.values() if each.ended is not None]
        ended.sort(key=lambda each: each.ended or 0.0)
        size = sum(each.channel.ring.size for each in ended)
        for number, record in enumerate(ended):
            if len(ended) - number <= self.limits.keep and size <= self.limits.keep_bytes:
                return
            size -= record.channel.ring.size
            self._forget(record)


def _as_session(spec: ChildSpec, id: str) -> ChildSpec:
    stop = spec.stop
    if stop is None and isinstance(spec.run, ProcessSpec) and spec.run.stdin is not Stdin.NULL:
        stop = PRESETS["pty" if spec.run.stdin is Stdin.PTY else "mcp-stdio"].stop
    return evolve(spec, id=id, restart=Restart.TEMPORARY, significant=False, stop=stop)


def _command(spec: ChildSpec) -> str:
    return shlex.join(spec.run.command) if isinstance(spec.run, ProcessSpec) else spec.id


def _exit_of(record: Record) -> Exit:
    return record.exit or record.channel.exit(1) or Exit(How.CANCELLED)
