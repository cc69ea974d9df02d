"""The calls to one supervisor: who waits for the machine's answer, and what is kept for them meanwhile."""

from itertools import count

import trio
from attrs import define, field

from trio_supervisor.core.answers import Answer
from trio_supervisor.core.commands import Reply
from trio_supervisor.runtimes.base import Runtime
from trio_supervisor.spec import ChildSpec


@define(eq=False)
class Call:
    """Somebody waits for an answer; for the one to a start a spec and its runtime are kept."""

    spec: ChildSpec | None = None
    runtime: Runtime | None = None
    _answered: trio.Event = field(factory=trio.Event)
    _reply: Reply | None = None

    async def answer(self) -> Reply:
        """Wait for it."""
        await self._answered.wait()
        assert self._reply is not None
        return self._reply

    def settle(self, reply: Reply) -> None:
        """Give the answer; a runtime that nobody has taken goes to nobody."""
        if self.runtime is not None:
            self.runtime.close()
        self._reply = reply
        self._answered.set()


class Calls:
    """Those that are under way."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._open: dict[int, Call] = {}

    def number(self) -> int:
        """One that no other call has."""
        return next(self._numbers)

    def add(self, number: int, call: Call) -> None:
        """It waits from now on."""
        self._open[number] = call

    def admit(self, number: int) -> tuple[ChildSpec, Runtime]:
        """The child of a start is let in: what was kept for it is taken over."""
        call = self._open[number]
        assert call.spec is not None
        assert call.runtime is not None
        runtime, call.runtime = call.runtime, None
        return call.spec, runtime

    def answer(self, reply: Reply) -> None:
        """Give an answer to who waits for it, if somebody does."""
        if call := self._open.pop(reply.call, None):
            call.settle(reply)

    def close(self) -> None:
        """Nobody answers any more."""
        for number in list(self._open):
            self.answer(Reply(number, Answer.SHUTTING_DOWN))
