"""The block in which the processes of a Trio run are spawned by a guardian: its beginning, its sharing, its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trio_supervisor.guardian.launch import Guard
from trio_supervisor.runtimes.process.current import current_spawner, set_spawner, settle_environ
from trio_supervisor.runtimes.process.guarded import GuardedSpawner
from trio_supervisor.runtimes.process.local import LocalSpawner
from trio_supervisor.runtimes.process.orphans import become_heir, tend_children


@asynccontextmanager
async def open_guarded(guard: Guard) -> AsyncIterator[GuardedSpawner]:
    """Spawn by a guardian in this Trio run while the block lasts; then it kills what is left, and ends.

    All such blocks of a Trio run share one guardian, which ends with the last of them.
    """
    shared = current_spawner()
    spawner = shared if isinstance(shared, GuardedSpawner) and shared.users else GuardedSpawner(guard)
    set_spawner(spawner)
    spawner.users += 1
    async with trio.open_nursery() as nursery:
        if guard.heir:
            settle_environ()
            # In a thread, as it takes some milliseconds and nobody waits for it.
            nursery.start_soon(trio.to_thread.run_sync, become_heir)
            nursery.start_soon(tend_children, spawner.waited_for, spawner.wake_guardian)
        try:
            yield spawner
        finally:
            spawner.users -= 1
            if not spawner.users:
                with trio.CancelScope(shield=True):
                    await _say_farewell(spawner, guard)
                if current_spawner() is spawner:
                    set_spawner(LocalSpawner())
            nursery.cancel_scope.cancel()


def guardian_lives() -> bool:
    """Whether there is nothing wrong with the guardian of this Trio run; where it does without one, it is told so."""
    spawner = current_spawner()
    return spawner.guardian_lives if isinstance(spawner, GuardedSpawner) else True


async def _say_farewell(spawner: GuardedSpawner, guard: Guard) -> None:
    killed, left = await spawner.finish()
    if left:
        guard.tell(f"could not be killed: {', '.join(left)}")
        guard.not_killed()
    elif killed:
        guard.tell(f"killed what had left all trees: {', '.join(killed)}")
