"""Control of a supervisor in the same process."""

import time
from collections.abc import Callable

import trio

from trio_supervisor.control.api import Event, Snapshot
from trio_supervisor.core.child import Child
from trio_supervisor.core.messages import Notice
from trio_supervisor.engine.supervisor import Supervisor


class LocalControl:
    """Looks at a supervisor, and sends it facts; see `Control`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._listeners: list[Callable[[Event], None]] = []
        self._since: dict[str, float] = {}
        supervisor.listen(self._tell)

    def snapshot(self) -> tuple[Snapshot, ...]:
        """Every child as it is now, in the order of the file."""
        # Wall time can jump; it is asked once and everything else is counted from it.
        to_wall = time.time() - trio.current_time()
        return tuple(self._look(child, to_wall) for child in self._supervisor.children.values())

    def _look(self, child: Child, to_wall: float) -> Snapshot:
        next_at = self._supervisor.next_at(child.id)
        return Snapshot(
            agent=child.id,
            state=child.state,
            desired=child.desired,
            since=child.since + to_wall,
            reason=child.reason,
            next_at=None if next_at is None else next_at + to_wall,
            restarts=child.restarts,
            generation=child.generation,
            pid=self._pid(child.id),
            port=self._port(child.id),
            last_exit=child.last_exit,
        )

    def _pid(self, name: str) -> int | None:
        life = self._supervisor.life(name)
        return None if life is None or life.over.is_set() else life.life.pid

    def _port(self, name: str) -> int | None:
        kept = self._supervisor.kept(name)
        return None if kept is None else kept.runtime.port

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have `listener` called with every event from now on, in order; it must not raise or block."""
        self._listeners.append(listener)

    def _tell(self, notice: Notice) -> None:
        now = trio.current_time()
        event = Event(
            at=time.time(),
            change=notice,
            next_in=None if notice.next_at is None else max(0.0, notice.next_at - now),
            lasted=now - self._since.get(notice.child, now),
            pid=self._pid(notice.child),
            port=self._port(notice.child),
        )
        self._since[notice.child] = now
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
