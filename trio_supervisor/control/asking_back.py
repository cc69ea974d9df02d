"""Sending something, and waiting for the answer."""

from collections.abc import Awaitable, Callable

from trio_supervisor.control import talking
from trio_supervisor.control.api import Heard
from trio_supervisor.core.child import Child
from trio_supervisor.engine.supervisor import Supervisor
from trio_supervisor.errors import ConflictError, ExpectTimeoutError, OutputEndedError, RequestError, SpecError
from trio_supervisor.sessions.channel import Channel
from trio_supervisor.sessions.cursor import Cursor
from trio_supervisor.sessions.search import Match, Patterns
from trio_supervisor.sessions.session import Session


def send_and_expect(
    data: bytes, expected: str, timeout: float, hear: Callable[[Heard], None]
) -> Callable[[Supervisor, Child], Awaitable[None]]:
    """The effect of sending; `hear` gets the answer, which is waited for `timeout` seconds at the most.

    Raises RequestError: what is expected is no regular expression.
    """
    try:
        Patterns(expected)
    except SpecError as error:
        raise RequestError(f"expect: {error}") from None

    async def effect(engine: Supervisor, child: Child) -> None:
        channel = Channel(engine, child.id)
        # From before it is sent: an answer may be there before we are back.
        with Session(channel, None, Cursor(channel.ring.next)) as session:

            async def listen() -> None:
                hear(_heard(await session.expect(expected, timeout)))

            try:
                await talking.send(engine, child, data=data, then=listen)
            except (ExpectTimeoutError, OutputEndedError) as error:
                raise ConflictError(str(error)) from None

    return effect


def _heard(match: Match) -> Heard:
    groups = tuple(None if each is None else _text(each) for each in match.groups)
    return Heard(_text(match.text), _text(match.before), groups, match.dropped)


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
