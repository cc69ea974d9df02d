"""Cancelled requests must cost later ones nothing: httpx's fault (encode/httpcore#1093), which our client lacks.

`test_probe_http.py` and `test_probe_https.py` cancel a question at each of its steps; here many are, at random times.
"""

import random

import httpx
import pytest
import trio
import trio.testing

from tests.probes.probe_servers import Site, Step, Stream, open_descriptors, read_request, response, serving
from trio_supervisor.probes.base import Target
from trio_supervisor.probes.http import open_http
from trio_supervisor.spec import Http

CLIENTS = 8  # few enough for one core to answer most questions in time
ENOUGH = 300
"""Answered and cancelled questions, so many of each at least."""


async def pool_is_exhausted(step: int) -> bool:
    """Whether httpx has no connection left, though none is in use.

    The one connection is busy and a second request waits for it; the second is cancelled when the task of the first is
    about to take the given step on its way to give the connection back.
    """
    limits = httpx.Limits(max_connections=1)
    async with (
        serving(Site(lambda _: response())) as port,
        httpx.AsyncClient(limits=limits, trust_env=False, timeout=30) as client,
    ):
        url = f"http://127.0.0.1:{port}/"
        scope = trio.CancelScope()

        async def wait_in_the_queue() -> None:
            with scope:
                await client.get(url)

        async with trio.open_nursery() as nursery, client.stream("GET", url, headers={"Connection": "close"}) as first:
            nursery.start_soon(wait_in_the_queue)
            await trio.testing.wait_all_tasks_blocked()
            instrument = Step(step, scope)
            trio.lowlevel.add_instrument(instrument)
            await first.aread()
            trio.lowlevel.remove_instrument(instrument)
        try:
            await client.get(url, timeout=0.2)
        except httpx.PoolTimeout:
            return True
    return False


@pytest.mark.xfail(
    strict=False,
    raises=AssertionError,
    reason="encode/httpcore#1093: the pool loses a connection that it gives to a request which is cancelled just then",
)
def test_a_shared_httpx_client_survives_cancelled_requests() -> None:
    assert [step for step in range(8) if trio.run(pool_is_exhausted, step)] == []


class Dawdler:
    """Answers each request after up to 20 ms."""

    def __init__(self) -> None:
        self.rng = random.Random(1)

    async def __call__(self, stream: Stream) -> None:
        while await read_request(stream) is not None:
            await trio.sleep(self.rng.uniform(0, 0.02))
            await stream.send_all(response())


@pytest.mark.slow
async def test_our_clients_survive_cancelled_requests() -> None:
    rng = random.Random(2)
    answered = cancelled = 0

    async def ask_and_cancel(port: int) -> None:
        nonlocal answered, cancelled
        async with open_http(Http("/"), Target("a", port, None), 1) as probe:
            # Until enough of both has happened, however slow the machine is.
            while min(answered, cancelled) < ENOUGH:
                with trio.move_on_after(rng.uniform(0, 0.03)) as scope:
                    assert (await probe.ask()).ok
                cancelled += scope.cancelled_caught
                answered += not scope.cancelled_caught
            for _ in range(3):
                with trio.fail_after(2):
                    assert (await probe.ask()).ok

    before = open_descriptors()
    with trio.fail_after(60):
        async with serving(Dawdler()) as port, trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(ask_and_cancel, port)

    assert open_descriptors() <= before
