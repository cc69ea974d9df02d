"""Takes in the notifications of one life (sd_notify(3)): only its own processes are listened to."""

import os
from collections.abc import Callable, Mapping

from attrs import frozen

from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Ownership
from trio_supervisor.runtimes.reactor import current_reactor
from trio_supervisor.system.notify import Message, open_socket, receive

_AT_A_TIME = 32
"""Messages that are taken in before others have their turn."""


@frozen
class Notifying:
    """What a child is given to notify by."""

    watchdog: float | None = None
    """Seconds between heartbeats that are asked for; None: none are."""


class NotifySocket:
    """The socket of one life; it is open while the life lasts."""

    def __init__(
        self,
        wanted: Notifying,
        owns: Callable[[int], tuple[Ownership, str]],
        take: Callable[[Mapping[str, str]], None],
        say: Callable[[str], None],
        uid: int | None,
    ) -> None:
        """`owns` tells whose a process is; `take` gets what was notified; `say` what the owner should know; `uid` is
        that of the child, None where it is ours.

        Raises:
            StartError: there is no descriptor left.
        """
        self._wanted = wanted
        self._owns = owns
        self._take = take
        self._say = say
        self._uid = os.getuid() if uid is None else uid
        self._refused = False
        self._listening = False
        try:
            self._socket, self._name = open_socket()
        except OSError as error:
            raise StartError(f"there is no socket for its notifications: {error.strerror}") from error
        self._open = True

    def listen(self) -> None:
        """Take in what comes, and what has come. To be called when it can be told who is of the child."""
        if self._open and not self._listening:
            self._listening = True
            # Among the outputs, which take turns: a flood delays no exit.
            current_reactor().watch_output(self._socket.fileno(), self._readable)

    @property
    def told(self) -> dict[str, str]:
        """What the child is told of it. Not WATCHDOG_PID: who sends may be any process of its tree."""
        told = {"NOTIFY_SOCKET": self._name}
        if self._wanted.watchdog is not None:
            told["WATCHDOG_USEC"] = str(max(1, round(self._wanted.watchdog * 1e6)))
        return told

    def close(self) -> None:
        """Take in what has come, and listen no more. Harmless when it is closed."""
        if self._open:
            self._open = False
            if self._listening:
                self._readable(self._socket.fileno())
                current_reactor().forget(self._socket.fileno())
            self._socket.close()

    def _readable(self, _: int) -> None:
        for _ in range(_AT_A_TIME):
            message = receive(self._socket)
            if message is None:
                return
            if self._is_welcome(message):
                self._take(message.fields)

    def _is_welcome(self, message: Message) -> bool:
        if message.pid:
            ownership, who = self._owns(message.pid)
            if ownership is Ownership.OURS:
                return True
            if ownership is Ownership.UNKNOWN and message.uid in (self._uid, 0):
                # It has ended since it sent, so nobody can tell any more. The name of the socket is random and was
                # given to this child only; who has found it out as the same user can do worse to the child.
                return True
        else:
            who = "a process that can't be seen from here"
        if not self._refused:
            self._refused = True
            self._say(f"a notification is ignored, as it is not from this agent: {who}")
        return False
