"""The command `attach`: talk with an agent as if one sat at its terminal, or watch."""

import argparse
import os
import select
import sys
import time

from trio_supervisor.cli import exit_codes
from trio_supervisor.cli.harmless import harmless
from trio_supervisor.cli.keys import DetachKeys
from trio_supervisor.cli.outcome import of_exit
from trio_supervisor.cli.terminal import Interrupted, Terminal
from trio_supervisor.control.attachment import Attachment, Begun, Closed, Ended, News, Said, Told
from trio_supervisor.control.client import Client
from trio_supervisor.control.modes import ALTERNATE, Modes
from trio_supervisor.errors import NoSupervisorError

_AT_ONCE = 4096
_SECOND_SIZE_AFTER = 0.1
"""Seconds; a program that draws only what has changed needs a change of size, and the time to see it."""
_BELL = b"\a"


def attach(options: argparse.Namespace, client: Client) -> int:
    """Attach until the agent ends, or one leaves; the exit code is that of the agent, 0 when one leaves."""
    keys = DetachKeys(options.detach_keys)
    write = not options.read_only
    found = Attachment(client.place, options.agent, write=write, force=options.force, replay=not options.no_replay)
    try:
        with found as attachment, Terminal() as terminal:
            code, farewell = _Attached(options, attachment, terminal, keys).run()
    except Interrupted as interrupted:
        return 128 + interrupted.number
    if os.isatty(2):
        sys.stderr.write(f"[{farewell}]\n")
    return code


class _Attached:
    def __init__(
        self, options: argparse.Namespace, attachment: Attachment, terminal: Terminal, keys: DetachKeys
    ) -> None:
        self._options = options
        self._attachment = attachment
        self._terminal = terminal
        self._keys = keys
        self._modes = Modes()
        self._begun: Begun | None = None
        self._writes = False
        self._raw = False
        self._reads = True
        self._code: int | None = None
        self._farewell = ""
        self._drawn = False
        """Whether something was shown: what comes first says whether the program draws on the other screen."""
        self._second_size_at = 0.0

    def run(self) -> tuple[int, str]:
        """Until it is over; returns the exit code and the last words. Raises NoSupervisorError: it is lost."""
        self._take(list(self._attachment.news(first=True)))
        while self._code is None:
            for ready in self._wait():
                if ready == self._attachment.fileno():
                    self._take(list(self._attachment.news()))
                elif ready == self._terminal.wakeups:
                    self._terminal.again()
                    self._tell_size()
                elif self._code is None:
                    self._type()
            self._tell_second_size()
        return self._code, self._farewell

    def _wait(self) -> list[int]:
        reading = [self._attachment.fileno(), self._terminal.wakeups]
        # At a terminal what is typed is always read: the keys to leave must work when the agent reads nothing.
        if self._reads and self._begun is not None and (self._raw or not self._writes or self._attachment.room):
            reading.append(0)
        timeout = max(0.0, self._second_size_at - time.monotonic()) if self._second_size_at else None
        found: list[int] = select.select(reading, [], [], timeout)[0]
        return found

    # What comes

    def _take(self, news: list[News]) -> None:
        for each in news:
            match each:
                case Begun():
                    self._begin(each)
                case Said():
                    self._show(each)
                case Told():
                    self._tell(each)
                case Ended():
                    self._code = of_exit(each.exit)
                    self._farewell = f"{self._options.agent} has ended: {each.exit or 'how is not known'}"
                case Closed() if self._code is None:
                    words = each.words or "the connection is lost"
                    raise NoSupervisorError(f"{self._options.agent}: {words}")
                case Closed():
                    return

    def _begin(self, begun: Begun) -> None:
        self._begun, self._writes = begun, begun.writes
        self._raw = begun.terminal and self._terminal.is_one
        how = f"{self._keys.words} leaves it" if self._raw else "Ctrl-C leaves it"
        if begun.writes:
            self._say(f"attached to {self._options.agent}; {how}")
        else:
            writer = f"{begun.writer} writes" if begun.writer else "nobody writes"
            self._say(f"watching {self._options.agent}, {writer}; {how}")
        if self._raw:
            self._terminal.make_raw(self._modes.undo)
            self._tell_size()

    def _show(self, said: Said) -> None:
        data = said.data
        where = 2 if said.error else 1
        if self._raw:
            self._modes.feed(data)
            if self._modes.on & ALTERNATE and not self._drawn:
                self._tell_size(anew=True)
            self._drawn = True
        elif os.isatty(where):
            data = harmless(data, colour=True)
        while data:
            data = data[os.write(where, data) :]

    def _tell(self, told: Told) -> None:
        match told.kind:
            case "lost":
                self._writes = False
                self._say(f"{told.words or 'somebody else'} writes now; you only watch")
            case "dropped":
                self._complain(f"{told.words} lines of output came too fast, and are lost")
            case _:
                self._complain(told.words)

    def _say(self, text: str) -> None:
        """To people at a terminal, and nothing into a pipe but what is wrong."""
        if os.isatty(2):
            self._terminal.say(text)

    def _complain(self, text: str) -> None:
        """Something is wrong, which must be known in a pipe too."""
        if os.isatty(2):
            self._terminal.say(text)
        else:
            sys.stderr.write(f"trio-supervisor: {self._options.agent}: {text}\n")

    # What is typed

    def _type(self) -> None:
        room = self._attachment.room if self._writes else _AT_ONCE
        try:
            data = os.read(0, _AT_ONCE if self._raw else min(_AT_ONCE, room))
        except OSError:
            # EIO: the terminal is gone, and nobody sits there any more.
            data = b""
        if not data:
            self._end_of_input()
            return
        leaves = False
        if self._raw:
            data, leaves = self._keys.feed(data)
            leaves = leaves or (not self._writes and b"\x03" in data)
        if self._writes:
            self._attachment.type(data[:room])
        if data[room:] or (data and self._raw and not self._writes and not leaves):
            os.write(1, _BELL)
        if leaves:
            self._leave()

    def _end_of_input(self) -> None:
        self._reads = False
        if self._options.close_stdin and self._writes:
            self._attachment.end_input()
        elif os.isatty(0):
            self._leave()

    def _leave(self) -> None:
        self._attachment.leave()
        self._code = exit_codes.DONE
        self._farewell = f"left {self._options.agent}, which goes on"

    # How big it is

    def _tell_size(self, *, anew: bool = False) -> None:
        if not (self._raw and self._writes):
            return
        columns, rows = self._terminal.size()
        if anew:
            self._attachment.resize(columns, max(1, rows - 1))
            self._second_size_at = time.monotonic() + _SECOND_SIZE_AFTER
        else:
            self._attachment.resize(columns, rows)

    def _tell_second_size(self) -> None:
        if self._second_size_at and time.monotonic() >= self._second_size_at:
            self._second_size_at = 0.0
            self._tell_size()
