"""Asks an agent over its standard input, as long as nobody talks with it: any answer with our id says that it is alive.

MCP: `ping`, the one request that may come before the handshake (revisions up to 2025-11-25). Later ones know no ping,
and a server that was asked otherwise before refuses it: that is an answer too. ACP has none (version 1): a method that
begins with `_` is somebody's own, and every agent answers it, mostly by -32601.
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

from trio_supervisor.core.facts import Role
from trio_supervisor.errors import ProbeError, WriterBusyError
from trio_supervisor.probes.base import Answer, OpenProbe, Target
from trio_supervisor.questions import Questions, UnfinishedLineError
from trio_supervisor.spec import Rpc, Stdio
from trio_supervisor.words import one_line, took

METHODS = {Rpc.MCP: "ping", Rpc.ACP: "_trio-supervisor/ping"}


@asynccontextmanager
async def open_stdio(check: Stdio, target: Target, _: float) -> AsyncIterator[OpenProbe]:
    """Open a probe that succeeds when the agent answers; while somebody talks with it nothing is asked.

    Raises:
        ProbeError: the child has no standard input that is ours.
    """
    if target.questions is None:
        raise ProbeError("stdio: a child of this kind has no standard input that is ours")
    asker = _Asker(target.questions, check.stdio, target.role)
    yield OpenProbe(asker.ask, excused=asker.excused)


class _Asker:
    def __init__(self, questions: Questions, protocol: Rpc, role: Role) -> None:
        self._questions = questions
        self._protocol = protocol
        self._settled = role is Role.HEALTH
        """Whether it was seen to be up in this life."""
        self._begun = -math.inf

    async def ask(self) -> Answer:
        self._begun = trio.current_time()
        try:
            answer = await self._questions.ask(METHODS[self._protocol])
        except WriterBusyError as error:
            # Whoever talks with it sees for himself how it is; nobody's start must fail because of that.
            return self._up(Answer(not self._settled, f"not asked: {one_line(error.holder)} talks with it"))
        except UnfinishedLineError:
            raise ProbeError("stdio: who talked with it last has left a line unfinished, so nothing is asked") from None
        except BrokenPipeError as error:
            return Answer(False, str(error))
        seen = f"{self._protocol.value.upper()}, {_seen(answer)} in {took(trio.current_time() - self._begun)}"
        return self._up(Answer(True, seen))

    def excused(self) -> bool:
        """Whether somebody has begun to talk with it since, or was doing so."""
        return bool(self._questions.holder) or self._questions.talked_at >= self._begun

    def _up(self, answer: Answer) -> Answer:
        self._settled = self._settled or answer.ok
        return answer


def _seen(answer: Mapping[str, object]) -> str:
    error = answer.get("error")
    if not isinstance(error, Mapping):
        return "answered"
    return f"answered (error {one_line(str(error.get('code')), 20)})"
