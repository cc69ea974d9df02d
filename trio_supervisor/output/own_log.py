"""The log file of a supervisor itself: takes whole pieces, never blocks Trio, is rotated like those of agents."""

import os
from collections.abc import Awaitable, Callable

from trio_supervisor.output.files import LogFiles
from trio_supervisor.spec import LogFile


class OwnLog:
    """One file, with a thread of its own: it is written to before the others are opened and after they are closed."""

    why_full = "the disk is too slow"

    def __init__(self, path: str, say: Callable[[str], None], opened: Callable[[int], None] | None = None) -> None:
        """`say`: told what people should know of the file. `opened`: called, by the thread, with the descriptor of each
        file that is begun.
        """
        self.path = os.path.abspath(path)
        self._files = LogFiles(None, lambda _, text: say(text))
        self._appender = self._files.open_raw(self.path, LogFile(self.path), opened)
        self.room: Callable[[], Awaitable[None]] = self._files.room

    def write(self, data: bytes) -> bool:
        """Take it in; what there is no room for is counted, and the count written."""
        self._files.put(self._appender, data, dropped=self._files.full)
        return True

    def when_room(self, call: Callable[[], None]) -> None:
        """Nobody is ever refused."""
        call()

    def reopen(self) -> None:
        """Go on in the file that has the name by now."""
        self._files.reopen()

    async def aclose(self, grace: float) -> bool:
        """Write what waits, for so many seconds at the most; returns whether all was written."""
        return await self._files.aclose(grace)
