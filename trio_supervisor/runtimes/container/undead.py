"""Containers that would not go: killed and removed again and again until they are gone. Times are seconds."""

from collections.abc import Callable
from functools import partial

import trio

from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.container.engine import ContainerEngine, EngineError, Phase

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
PATIENT_PAUSE, LONGEST_PATIENT_PAUSE = 1.0, 30.0
_SIGKILL = 9

Say = Callable[[str], None]
Gone = Callable[[], None]


def _nobody() -> None:
    """Nobody waits for it."""


class Undead:
    """What is left of the lives of one child."""

    def __init__(self) -> None:
        self._left: dict[str, str] = {}
        """By name, why it is still there."""
        self._gone = trio.Event()

    async def wait_gone(self, patience: float) -> None:
        """Wait until nothing is left: a child has one life at a time. Raises StartError after `patience`."""
        with trio.move_on_after(patience):
            while self._left:
                await self._gone.wait()
        for name, why in self._left.items():
            raise StartError(f"container {name} of a life before can't be removed yet, and is tried again: {why}")

    async def bury_within(
        self, engine: ContainerEngine, name: str, patience: float, say: Say, *, dead: bool = False
    ) -> None:
        """Kill and remove a container; what is still there after `patience` is tried further while others go on.

        `dead`: it is known to have ended, whatever its engine says.
        """
        why = "it is not gone"
        with trio.move_on_after(patience, shield=True):
            why = await bury(engine, name, FIRST_PAUSE, LONGEST_PAUSE, dead=dead)
        if why:
            say(f"container {name} can't be removed: {why}; it is tried again")
            self.add(engine, name, why, say, dead=dead)

    def add(
        self, engine: ContainerEngine, name: str, why: str, say: Say, *, dead: bool = False, gone: Gone = _nobody
    ) -> None:
        """Go on trying to kill and remove it, until the end of the Trio run; then call `gone`."""
        self._left[name] = why
        insist = partial(self._insist, engine, name, say, dead=dead, gone=gone)
        trio.lowlevel.spawn_system_task(insist, name=f"trio_supervisor undead {name}")

    async def _insist(self, engine: ContainerEngine, name: str, say: Say, *, dead: bool, gone: Gone) -> None:
        await trio.sleep(PATIENT_PAUSE)
        await bury(engine, name, PATIENT_PAUSE, LONGEST_PATIENT_PAUSE, dead=dead)
        del self._left[name]
        self._gone.set()
        self._gone = trio.Event()
        say(f"container {name} is gone now")
        gone()


async def bury(engine: ContainerEngine, name: str, pause: float, longest: float, *, dead: bool = False) -> str:
    """Kill and remove a container, trying again for ever; returns "" when it is gone. `dead`: as in `bury_within`."""
    while True:
        try:
            seen = await engine.look(name)
            if seen is None:
                return ""
            if seen.phase is Phase.RUNNING and not dead:
                await engine.signal(name, _SIGKILL)
            else:
                await engine.remove(name, force=dead)
                return ""
        except EngineError:
            pass  # it is asked again; who waits for it tells that it takes long
        await trio.sleep(pause)
        pause = min(2 * pause, longest)
