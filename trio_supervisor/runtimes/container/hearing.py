"""What a container says, handed over once and in order, over as many connections as that takes.

At first it is heard by an attach. Once a connection has broken off only the engine's log has what was said meanwhile;
it is followed from the place that was heard last.
"""

import trio

from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container.engine import ContainerEngine, EngineError, Missed, Talk
from trio_supervisor.runtimes.container.pauses import FIRST_PAUSE, longer
from trio_supervisor.runtimes.container.place import LogSearch, Place, Skip
from trio_supervisor.runtimes.container.setting import Setting
from trio_supervisor.spec import Stdin

_SPOKEN = (Stream.STDOUT, Stream.STDERR)


class Hearing:
    """Hears one container."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._launch = setting.launch
        self._terminal = setting.spec.stdin is Stdin.PTY
        self._places = {stream: Place() for stream in _SPOKEN}

    async def hear(self, talk: Talk) -> None:
        """Hand over what is said from now on, to its end. Raises EngineError when it breaks off."""
        while (heard := await talk.heard()) is not None:
            await self._hand_over(*heard)

    async def hear_log(self, engine: ContainerEngine, *, follow: bool) -> None:
        """Hand over what the log has beyond what was heard; with `follow` also what is said then, to its end.

        Raises:
            EngineError: it can't be read, or breaks off.
        """
        await self._find_places(engine)
        skips = {stream: Skip(place) for stream, place in self._places.items()}
        async with engine.open(Missed(self._setting.name, self._terminal, follow)) as talk:
            while (heard := await talk.heard()) is not None:
                stream, chunk = heard
                await self._hand_over(stream, skips[stream].feed(chunk))

    async def hear_rest(self, engine: ContainerEngine) -> None:
        """Hand over what the log of one that is over has beyond what was heard; waits for an engine that is away."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.hear_log(engine, follow=False)
            except EngineError as error:
                if error.status:
                    return
            else:
                return
            await trio.sleep(pause)
            pause = longer(pause)

    async def _find_places(self, engine: ContainerEngine) -> None:
        searches = {stream: LogSearch(place.last_lines) for stream, place in self._places.items()}
        async with engine.open(Missed(self._setting.name, self._terminal)) as talk:
            while (heard := await talk.heard()) is not None:
                stream, chunk = heard
                searches[stream].feed(chunk)
        self._places = {stream: place.found_in(searches[stream]) for stream, place in self._places.items()}

    async def _hand_over(self, stream: Stream, chunk: bytes) -> None:
        while chunk:
            size = max(1, self._launch.at_once(stream))
            await self._launch.room()
            self._setting.output(stream, chunk[:size])
            self._places[stream].pass_(chunk[:size])
            chunk = chunk[size:]
