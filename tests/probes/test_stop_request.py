"""The HTTP request of a stop, against real servers."""

import pytest
import trio

from tests.probes.probe_servers import Site, Stream, read_request, response, serving
from trio_supervisor.errors import StepError
from trio_supervisor.plugins import send_request
from trio_supervisor.spec import HttpStep


async def send(step: HttpStep, port: int | None) -> None:
    with trio.fail_after(10):
        await send_request(step, "a", port)


async def test_a_path_is_asked_of_the_port_of_the_child_once() -> None:
    site = Site(lambda _: response(202))
    async with serving(site) as port:
        await send(HttpStep("/bye/{id}"), port)

    assert [(request.method, request.path) for request in site.requests] == [("POST", "/bye/a")]


async def test_a_whole_url_and_another_method_can_be_given() -> None:
    site = Site(lambda _: response(200))
    async with serving(site) as port:
        await send(HttpStep(f"http://127.0.0.1:{port}/x", method="delete"), None)

    assert [request.method for request in site.requests] == ["DELETE"]


@pytest.mark.parametrize("answered", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nbye"])
async def test_a_server_that_dies_in_the_middle_of_its_answer_has_taken_it(answered: bytes) -> None:
    asked = []

    async def die(stream: Stream) -> None:
        asked.append(await read_request(stream))
        await stream.send_all(answered)

    async with serving(die) as port:
        await send(HttpStep("/shutdown"), port)

    assert len(asked) == 1


async def test_a_status_that_is_no_success_is_a_refusal() -> None:
    async with serving(Site(lambda _: response(404))) as port:
        with pytest.raises(StepError, match="HTTP 404, expected 200-299"):
            await send(HttpStep("/shutdown"), port)


async def test_nobody_on_the_port_can_be_asked() -> None:
    async with serving(Site(lambda _: response())) as port:
        pass

    with pytest.raises(StepError, match=f"connection refused on 127.0.0.1:{port}"):
        await send(HttpStep("/shutdown"), port)


async def test_a_child_without_a_port_cannot_be_asked_by_a_path() -> None:
    with pytest.raises(StepError, match="needs a port, and the child has none"):
        await send(HttpStep("/shutdown"), None)
