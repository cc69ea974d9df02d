"""Questions that are put to a child over its standard input, in JSON-RPC; the answers are taken out of what it says.

Whoever talks with the child owns the pipe: a question is written only while nobody has the right to write, as a whole
line or not at all, and nobody is kept from writing by it. Times are seconds.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import trio

from trio_supervisor.writing import Lease

HOLDER = "probe"
"""As who the right to write is held."""
LONGEST_ANSWER = 65536
"""Bytes; a longer line is no answer to us, and is passed on as it comes."""
MOST_OPEN = 64
"""So many questions may be without an answer; of the oldest beyond that none is expected any more."""
_ID = "trio-supervisor-"
_MARK = _ID.encode()


class UnfinishedLineError(Exception):
    """Somebody has written a part of a line, and nobody else may go on in it."""


@runtime_checkable
class LinePipe(Protocol):
    """The input of a life, as far as whole lines are written to it."""

    @property
    def in_line(self) -> bool:
        """Whether what was written last does not end with the end of a line."""

    def put_line(self, line: bytes) -> bool:
        """Write all of it, or, where there is no room for all of it now, nothing; whether it was written.

        Raises:
            BrokenPipeError: it is closed, by us or by the child.
        """

    async def wait_room(self) -> None:
        """Wait until there may be room for a line."""


class Questions:
    """Those to one life."""

    def __init__(self, lease: Callable[[], Lease], pipe: Callable[[], LinePipe | None]) -> None:
        """`pipe`: what the life reads now, if it reads anything of us."""
        self._lease = lease
        self._pipe = pipe
        self._open: deque[str] = deque(maxlen=MOST_OPEN)
        """The ids of the questions that are not answered yet."""
        self._put = 0
        self._answers = 0
        self._answer: Mapping[str, object] = {}
        """The last one."""
        self._news = trio.Event()
        self._held = b""
        """The present line as far as it has come, if it may become an answer."""
        self._inside = False
        """A part of the present line is passed on already, and so the rest will be."""

    @property
    def holder(self) -> str:
        """Who talks with the child; empty: nobody."""
        return self._lease().holder

    @property
    def waiting(self) -> bool:
        """Whether a question is open."""
        return bool(self._open)

    @property
    def talked_at(self) -> float:
        """When somebody else wrote to it last."""
        return self._lease().written_at

    async def ask(self, method: str) -> Mapping[str, object]:
        """Put a question, and wait until this or an earlier one is answered; returns the whole answer.

        Raises:
            WriterBusyError: somebody talks with the child.
            UnfinishedLineError: somebody has begun a line.
            BrokenPipeError: the child does not read any more.
        """
        await trio.lowlevel.checkpoint()
        before = self._answers
        await self._write(method)
        while self._answers == before:
            await self._news.wait()
        return self._answer

    async def _write(self, method: str) -> None:
        self._put += 1
        name = f"{_ID}{self._put}"
        message = {"jsonrpc": "2.0", "id": name, "method": method, "params": {}}
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        while True:
            pipe = self._pipe()
            if pipe is None:
                raise BrokenPipeError("it reads nothing of us")
            # Held for this moment only: whoever wants to write is never told that a probe does.
            with self._lease().take(HOLDER):
                if pipe.in_line:
                    raise UnfinishedLineError
                if pipe.put_line(line):
                    self._open.append(name)
                    return
            await pipe.wait_room()

    # What the child says

    def take(self, chunk: bytes) -> bytes:
        """What is left of a chunk of its standard output without the answers to us; perhaps nothing, for now.

        Costs nothing while no question is open. While one is, a line that may be its answer is held until its end.
        """
        if not (self._open or self._held):
            self._inside = not chunk.endswith(b"\n")
            return chunk
        data, self._held = self._held + chunk, b""
        passed: list[bytes] = []
        if self._inside:
            end = data.find(b"\n") + 1
            if not end:
                return data
            passed.append(data[:end])
            data, self._inside = data[end:], False
        *lines, rest = data.split(b"\n")
        passed += [line + b"\n" for line in lines if not self._is_answer(line)]
        if self._open and rest.lstrip().startswith(b"{") and len(rest) <= LONGEST_ANSWER:
            self._held = rest
        elif rest:
            self._inside = True
            passed.append(rest)
        return b"".join(passed)

    def rest(self) -> bytes:
        """What was held back when it has said its last."""
        rest, self._held, self._inside = self._held, b"", False
        return rest

    def _is_answer(self, line: bytes) -> bool:
        if _MARK not in line or not self._open:
            return False
        try:
            message: object = json.loads(line)
        except (ValueError, RecursionError):
            return False
        # A request of its own may quote ours.
        if not isinstance(message, dict) or not ("result" in message or "error" in message):
            return False
        name = message.get("id")
        if not isinstance(name, str) or name not in self._open:
            return False
        self._open.remove(name)
        self._answers += 1
        self._answer = message
        self._news.set()
        self._news = trio.Event()
        return True
