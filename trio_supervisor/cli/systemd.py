"""What a run tells the service manager that has started it (sd_notify(3)): ready, status, stopping, that it lives.

READY=1 comes when every agent has had its chance: is ready, has ended, or waits for one that has failed. One that fails
does not make the service fail: to deal with that is what the service is there for.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable, MutableMapping

import trio

from trio_supervisor.control.api import Event, Snapshot, State
from trio_supervisor.record import record

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
LAST_WORDS = 1.0
"""So many seconds a manager that takes nothing has in the end."""
_AT_REST = 0.2
"""At least so many seconds lie between two states that are told."""
_STARTS = frozenset({State.STARTING, State.RUNNING})
_FAILED = frozenset({State.BACKOFF, State.UNHEALTHY, State.FAILED, State.HELD, State.STOPPED})
_NAMED = (State.FAILED, State.HELD, State.UNHEALTHY)
_LONGEST = 120


@record
class Manager:
    """The service manager, and what it wants to be told."""

    socket: str
    """An absolute path, or `@` and an abstract name (unix(7))."""
    watchdog: float | None = None
    """It wants to hear of us within any such time (seconds); None: it does not."""


def taken(environ: MutableMapping[str, str], pid: int) -> Manager | None:
    """Take out of the environment what is for process `pid` in it: nothing that is started is to speak for us."""
    path, usec, meant = (environ.pop(name, "") for name in VARIABLES)
    if path[:1] not in ("/", "@"):
        return None
    due = int(usec) / 1e6 if usec.isascii() and usec.isdecimal() else 0.0
    return Manager(path, due if due > 0 and meant in ("", str(pid)) else None)


class Notifier:
    """Tells the manager what the tree is like. What it can't be told at once is told as it is then."""

    def __init__(self, manager: Manager, warn: Callable[[str], None], lives: Callable[[], bool]) -> None:
        """`warn` is called once if nobody can be told. `lives`: whether what this process needs besides itself does."""
        self._manager = manager
        self._warn = warn
        self._lives = lives
        self._states: dict[str, State] = {}
        self._late: set[str] = set()
        """Those that have not had their chance yet."""
        self._told_status = ""
        self._told: set[str] = set()
        self._begun = self._stopping = self._sick = self._broken = False
        self._changed = trio.Event()
        self._socket = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def begin(self, agents: tuple[Snapshot, ...]) -> None:
        """The tree has begun to start; from here on the events are the truth."""
        for one in agents:
            self._states.setdefault(one.agent, one.state)
            if one.generation == 0 or one.state in _STARTS:
                self._late.add(one.agent)
        self._begun = True
        self._wake()

    def note(self, event: Event) -> None:
        """A change of state."""
        change = event.change
        self._states[change.child] = change.new
        if change.new is State.REMOVED:
            del self._states[change.child]
        if change.new not in (State.WAITING, *_STARTS) or change.exit is not None:
            self._late.discard(change.child)
        self._wake()

    def stop(self) -> None:
        """The end has begun."""
        self._stopping = True
        self._wake()

    async def run(self) -> None:
        """Tell until cancelled."""
        async with trio.open_nursery() as nursery:
            if self._manager.watchdog is not None:
                nursery.start_soon(self._keep_alive, self._manager.watchdog / 2)
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                await self._tell()
                # Many agents that start at once are one piece of news, not thousands.
                await trio.sleep(_AT_REST)

    async def aclose(self) -> None:
        """Tell what is to be told still, within bounds; nothing after that."""
        with trio.move_on_after(LAST_WORDS, shield=True):
            await self._tell()
        self._socket.close()

    def _wake(self) -> None:
        self._changed.set()

    async def _tell(self) -> None:
        fields: dict[str, str] = {}
        # One that has done all its work was ready; without that word systemd takes its end for a failed start.
        if self._begun and (self._settled or self._stopping):
            fields["READY"] = "1"
        if self._stopping:
            fields["STOPPING"] = "1"
        fields = {name: value for name, value in fields.items() if name not in self._told}
        self._told |= fields.keys()
        if (status := self._status()) != self._told_status:
            fields["STATUS"] = self._told_status = status
        if fields:
            await self._send(fields)

    @property
    def _settled(self) -> bool:
        """Whether every agent has had its chance, or waits while another one has failed."""
        if not self._late:
            return True
        starts = any(self._states.get(name) in _STARTS for name in self._late)
        return not starts and any(state in _FAILED for state in self._states.values())

    def _status(self) -> str:
        count = Counter(self._states.values())
        parts = [f"{count[state]} {state.value}" for state in State if count[state]]
        bad = [name for name, state in self._states.items() if state in _NAMED]
        text = ", ".join(parts) or "no agents"
        if bad:
            text += f" ({', '.join(bad)})"
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

    async def _keep_alive(self, period: float) -> None:
        """As a task among all others: it comes round only as long as they do."""
        while True:
            if self._lives():
                self._sick = False
                await self._send({"WATCHDOG": "1"})
            elif not self._sick:
                self._sick = True
                self._warn("the guardian does not answer for the agents: systemd is told of no more life")
            await trio.sleep(period)

    async def _send(self, fields: dict[str, str]) -> None:
        name = self._manager.socket
        address = f"\0{name[1:]}" if name.startswith("@") else name
        data = "".join(f"{key}={value}\n" for key, value in fields.items()).encode(errors="backslashreplace")
        try:
            await self._socket.sendto(data, address)
        except OSError as error:
            if not self._broken:
                self._broken = True
                self._warn(f"systemd can't be told anything: {name}: {os.strerror(error.errno or 0)}")
