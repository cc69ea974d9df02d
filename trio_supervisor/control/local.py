"""Control of a supervisor in the same process."""

import time
from collections.abc import Callable, Iterator

import trio

from trio_supervisor.control.api import Event, Remark, Snapshot
from trio_supervisor.core.child import Child
from trio_supervisor.core.messages import Judged, Notice, StateChanged, StatusTold
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.record import changed


class LocalControl:
    """Looks at a supervisor, and sends it facts; see `Control`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._listeners: list[Callable[[Event], None]] = []
        self._remark_listeners: list[Callable[[Remark], None]] = []
        self._since: dict[str, float] = {}
        supervisor.listen(self._tell)

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file."""
        # Wall time can jump; it is asked once and everything else is counted from it.
        return tuple(snapshots(self._supervisor, time.time() - trio.current_time()))

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""
        self._listeners.append(listener)

    def listen_to_remarks(self, listener: Callable[[Remark], None]) -> None:
        """The same for every remark."""
        self._remark_listeners.append(listener)

    def _remark(self, path: str, notice: Judged | StatusTold) -> None:
        since = notice.since if isinstance(notice, Judged) else trio.current_time()
        agent = f"{path}/{notice.child}" if path else notice.child
        remark = Remark(time.time(), agent, notice, trio.current_time() - since)
        for listener in self._remark_listeners:
            listener(remark)

    def _tell(self, path: str, notice: Notice) -> None:
        if isinstance(notice, Judged | StatusTold):
            self._remark(path, notice)
        if not isinstance(notice, StateChanged):
            return
        now = trio.current_time()
        agent = f"{path}/{notice.child}" if path else notice.child
        supervisor = find(self._supervisor, path)
        event = Event(
            at=time.time(),
            change=changed(notice, child=agent) if path else notice,
            next_in=None if notice.next_at is None else max(0.0, notice.next_at - now),
            lasted=now - self._since.get(agent, now),
            pid=pid_of(supervisor, notice.child) if supervisor else None,
            port=port_of(supervisor, notice.child) if supervisor else None,
        )
        self._since[agent] = now
        for listener in self._listeners:
            listener(event)

    def stop(self, reason: str) -> None:
        """Begin the orderly stop of everything."""
        self._supervisor.stop(reason)

    def hurry(self, reason: str) -> None:
        """Stop everything without any grace."""
        self._supervisor.hurry(reason)

    async def wait(self) -> None:
        """Wait until nothing is left to run."""
        await self._supervisor.wait()


def find(top: Supervisor, path: str) -> Supervisor | None:
    """The supervisor of that path as it is now; None if there is none."""
    supervisor: Supervisor | None = top
    for name in path.split("/") if path else ():
        supervisor = supervisor.inner(name) if supervisor else None
    return supervisor


def snapshots(supervisor: Supervisor, to_wall: float) -> Iterator[Snapshot]:
    """Every child, those of inner supervisors after their supervisor; `to_wall`: seconds from Trio's clock to the
    wall's.
    """
    for child in supervisor.children.values():
        yield snapshot_of(supervisor, child, to_wall)
        if inner := supervisor.inner(child.id):
            yield from snapshots(inner, to_wall)


def snapshot_of(supervisor: Supervisor, child: Child, to_wall: float) -> Snapshot:
    """One child."""
    next_at = supervisor.next_at(child.id)
    return Snapshot(
        agent=supervisor.path_of(child.id),
        state=child.state,
        desired=child.desired,
        since=child.since + to_wall,
        reason=child.reason,
        next_at=None if next_at is None else next_at + to_wall,
        restarts=child.restarts,
        generation=child.generation,
        pid=pid_of(supervisor, child.id),
        port=port_of(supervisor, child.id),
        last_exit=child.last_exit,
        status=child.status,
        failing_since=None if child.failing_since is None else child.failing_since + to_wall,
    )


def pid_of(supervisor: Supervisor, child: str) -> int | None:
    """The process of the present life of a child."""
    life = supervisor.life(child)
    return None if life is None or life.over.is_set() else life.life.pid


def port_of(supervisor: Supervisor, child: str) -> int | None:
    """The port held for a child."""
    kept = supervisor.kept(child)
    return None if kept is None else kept.runtime.port
