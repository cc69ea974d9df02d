"""`run --watch`: when the file has changed, and has stayed so for a moment, it is applied."""

import os
from collections import Counter
from collections.abc import Callable, Iterable

import trio
from attrs import define, field

from trio_supervisor.cli.wording import Tone
from trio_supervisor.control.api import Action, AgentChange, Control
from trio_supervisor.control.callers import Caller, called_by
from trio_supervisor.errors import SupervisorError
from trio_supervisor.system.inotify import Inotify

QUIET = 0.3
"""Seconds without a further change until it is read: editors and tools save in several steps."""
LONGEST = 3.0
"""So long (seconds) changes may follow each other until it is read all the same."""
PERIOD = 2.0
"""Seconds between two looks, where the system can't tell of changes."""

_SAVED = Caller("run --watch", "console")
"""Whoever has saved the file."""

Signs = dict[str, tuple[int, int, int, int] | None]
"""By path what shows that a file is another one or has another content; None: it is not there."""


def signs(paths: Iterable[str]) -> Signs:
    """How files are now."""
    return {path: _sign(path) for path in paths}


def _sign(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@define
class Watching:
    """Watches the files that a tree is written in."""

    control: Control
    files: Callable[[], Iterable[str]]
    """The paths of all files that were read last."""
    say: Callable[[str, Tone], None]
    _seen: Signs
    """As they were when they were read."""
    _told: str = field(default="", init=False)
    """What was wrong, and is still so: it is told once."""
    _latest: int = field(default=0, init=False)
    """The number of the operation that was begun last."""

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            await self._follow(nursery)

    async def _follow(self, nursery: trio.Nursery) -> None:
        try:
            inotify = Inotify()
        except OSError:
            await self._look_again_and_again(nursery)
            return
        try:
            while True:
                self._watch(inotify)
                # What has changed before they were watched tells nobody.
                if not self._has_changed():
                    await trio.lowlevel.wait_readable(inotify.descriptor)
                inotify.drain()
                if self._has_changed():
                    await self._settle(inotify)
                    await self._apply(nursery)
        finally:
            inotify.close()

    async def _look_again_and_again(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(PERIOD)
            if self._has_changed():
                await trio.sleep(QUIET)
                await self._apply(nursery)

    def _watch(self, inotify: Inotify) -> None:
        # Directories, not files: to save is mostly to rename. Those of links and of what they lead to.
        paths = [each for path in self.files() for each in (path, os.path.realpath(path))]
        for directory in dict.fromkeys(map(os.path.dirname, paths)):
            try:
                inotify.watch(directory)
            except OSError:
                continue

    def _has_changed(self) -> bool:
        return signs(self.files()) != self._seen

    async def _settle(self, inotify: Inotify) -> None:
        """Wait until nothing more changes."""
        with trio.move_on_after(LONGEST):
            while True:
                with trio.move_on_after(QUIET) as quiet:
                    await trio.lowlevel.wait_readable(inotify.descriptor)
                if quiet.cancelled_caught:
                    return
                inotify.drain()

    async def _apply(self, nursery: trio.Nursery) -> None:
        self._seen = signs(self.files())
        try:
            with called_by(_SAVED):
                done = await self.control.apply(wait=False)
        except SupervisorError as error:
            text = f"nothing is changed: {error}"
            if text != self._told:
                self._told = text
                self.say(text, Tone.BAD)
            return
        # It may consist of other files now.
        self._seen = {path: self._seen[path] if path in self._seen else _sign(path) for path in self.files()}
        self._told, self._latest = "", done.id
        if text := _summary(done.changes):
            self.say(f"the file has changed: {text}", Tone.GOOD)
        nursery.start_soon(self._tell_outcome, done.id)

    async def _tell_outcome(self, operation: int) -> None:
        """What has come of it, if that is not all that is written."""
        try:
            await self.control.outcome(operation)
        except SupervisorError as error:
            # Where it has given way to a later one, that one tells.
            if operation == self._latest:
                self.say(f"not all of the file could be applied: {error}", Tone.BAD)


_WORDS = {Action.RESTART: "to restart", Action.CHANGE: "in place", Action.ADD: "to add", Action.REMOVE: "to remove"}


def _summary(changes: Iterable[AgentChange]) -> str:
    count = Counter(change.action for change in changes)
    return ", ".join(f"{count[action]} {text}" for action, text in _WORDS.items() if count[action])
