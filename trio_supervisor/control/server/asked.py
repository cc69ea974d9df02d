"""What a request asks: its query, its body; and who asks, as long as they wait for the answer."""

from collections.abc import Awaitable
from contextlib import aclosing
from typing import TypeVar

import trio
from starlette.requests import HTTPConnection, Request

from trio_supervisor.control.wire import requests
from trio_supervisor.control.wire.fields import Fields, Known, loads, query
from trio_supervisor.control.wire.problems import TooLargeError
from trio_supervisor.errors import SupervisorError

T = TypeVar("T")


def query_of(asked: HTTPConnection, known: Known) -> Fields:
    """The fields of its query. Raises RequestError."""
    return query(asked.query_params.multi_items(), known)


async def body_of(request: Request, known: Known) -> Fields:
    """The fields of its body. Raises RequestError, TooLargeError."""
    data = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > requests.MOST_BODY:
                raise TooLargeError(f"the body must have at most {requests.MOST_BODY} bytes")
    if not data:
        return Fields({}, known)
    return Fields(loads(bytes(data)), known)


async def while_connected(request: Request, asked: Awaitable[T]) -> T | None:
    """Wait as long as somebody waits for the answer; None when nobody does any more."""
    answers: list[T | SupervisorError] = []
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            answers.append(await asked)
        except SupervisorError as error:
            answers.append(error)
        nursery.cancel_scope.cancel()
    answer = answers[0] if answers else None
    if isinstance(answer, SupervisorError):
        raise answer
    return answer
