"""The HTTP probe against real servers."""

import gzip
import logging
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio

from tests.probes.probe_servers import Site, Stream, cancelled_at_step, open_descriptors, paths, response, serving
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.probes.http import open_http, ranges
from trio_supervisor.probes.http_client import HttpClient, question
from trio_supervisor.spec import Http

MIB = 1024 * 1024


def target(port: int | None) -> Target:
    return Target("researcher", port, None)


async def ask_once(check: Http, port: int | None) -> Answer:
    async with open_http(check, target(port), 5) as probe:
        with trio.fail_after(5):
            return await probe.ask()


async def answer_to(check: Http, raw: bytes) -> Answer:
    """What the probe says of a server that sends `raw` for anything."""
    async with serving(Site(lambda _: raw)) as port:
        return await ask_once(check, port)


async def test_a_status_of_200_is_a_success() -> None:
    answer = await answer_to(Http("/health"), response(200, b"fine"))

    assert answer.ok
    assert answer.detail.startswith("200 in ")


async def test_the_detail_of_a_wrong_status_names_those_that_were_expected() -> None:
    answer = await answer_to(Http("/health"), response(503))

    assert answer == Answer(False, "HTTP 503, expected 200-299")


async def test_the_statuses_that_count_can_be_chosen() -> None:
    check = Http("/health", status=(200, 401, 404, 405))

    assert (await answer_to(check, response(401))).ok
    assert await answer_to(check, response(204)) == Answer(False, "HTTP 204, expected 200, 401, 404-405")


def test_codes_in_a_row_are_written_as_a_range() -> None:
    assert ranges({404, 200, 201, 202, 301, 302}) == "200-202, 301-302, 404"


async def test_a_redirect_is_judged_and_not_followed() -> None:
    site = Site(lambda _: response(302, headers={"Location": "/again"}))
    async with serving(site) as port:
        answer = await ask_once(Http("/again"), port)

    assert answer == Answer(False, "HTTP 302 to /again, expected 200-299")
    assert len(site.requests) == 1


async def test_a_redirect_is_a_success_where_its_status_is_expected() -> None:
    assert (await answer_to(Http("/", status=(302,)), response(302, headers={"Location": "/"}))).ok


# What is sent


async def test_method_headers_and_path_are_sent_with_placeholders_replaced() -> None:
    site = Site(lambda _: response())
    check = Http("/agents/{id}?x={y}", method="options", headers={"Authorization": "Bearer {id}", "X-Port": "{port}"})
    async with serving(site) as port:
        assert (await ask_once(check, port)).ok

    (request,) = site.requests
    assert (request.method, request.path) == ("OPTIONS", "/agents/researcher?x={y}")
    assert request.headers["authorization"] == "Bearer researcher"
    assert request.headers["x-port"] == str(port)
    assert request.headers["host"] == f"127.0.0.1:{port}"
    assert request.headers["user-agent"] == "trio-supervisor"


async def test_written_headers_win_over_the_usual_ones() -> None:
    site = Site(lambda _: response())
    async with serving(site) as port:
        await ask_once(Http("/", headers={"user-agent": "me", "host": "agents.example"}), port)

    assert site.requests[0].headers["user-agent"] == "me"
    assert site.requests[0].headers["host"] == "agents.example"


async def test_credentials_in_a_url_are_sent_as_basic_authentication() -> None:
    site = Site(lambda _: response())
    async with serving(site) as port:
        await ask_once(Http("http://me:secret@127.0.0.1:{port}/"), port)

    assert site.requests[0].headers["authorization"] == "Basic bWU6c2VjcmV0"


async def test_a_head_request_expects_no_body() -> None:
    answer = await answer_to(Http("/", method="HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")

    assert answer.ok


async def test_a_post_uses_a_connection_of_its_own_each_time() -> None:
    site = Site(lambda _: response())
    async with serving(site) as port, open_http(Http("/", method="POST"), target(port), 5) as probe:
        assert (await probe.ask()).ok
        assert (await probe.ask()).ok

    assert site.connections == 2
    assert [request.headers["content-length"] for request in site.requests] == ["0", "0"]


async def test_cookies_are_not_sent_back() -> None:
    site = Site(lambda _: response(headers={"Set-Cookie": "session=1"}))
    async with serving(site) as port, open_http(Http("/"), target(port), 5) as probe:
        await probe.ask()
        await probe.ask()

    assert "cookie" not in site.requests[1].headers


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    assert (await answer_to(Http("/"), response())).ok


async def test_a_question_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await answer_to(Http("/"), response())

    assert caplog.records == []


# The body


async def test_the_body_is_searched_by_a_regular_expression() -> None:
    check = Http("/", body=r"status:\s+ok")

    assert (await answer_to(check, response(200, b"x\nstatus:  ok\n"))).ok
    assert await answer_to(check, response(200, b"down")) == Answer(False, r"body does not match 'status:\\s+ok'")


async def test_the_body_is_searched_in_its_first_64_kib_only() -> None:
    check = Http("/", body="needle")

    assert (await answer_to(check, response(200, b"x" * (64 * 1024 - 6) + b"needle"))).ok
    assert not (await answer_to(check, response(200, b"x" * (64 * 1024 - 5) + b"needle"))).ok


async def test_placeholders_are_replaced_in_what_is_expected_of_the_body() -> None:
    assert (await answer_to(Http("/", body="^I am {id}$"), response(200, b"I am researcher"))).ok
    assert (await answer_to(Http("/", json={"who": ["{id}"]}), response(200, b'{"who": ["researcher"]}'))).ok


async def test_the_json_must_hold_what_is_expected() -> None:
    check = Http("/", json={"status": "ok"})

    assert (await answer_to(check, response(200, b'{"status": "ok", "more": 1}'))).ok
    assert await answer_to(check, response(200, b'{"status": "degraded"}')) == Answer(
        False, 'json: status is "degraded", expected "ok"'
    )


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\xfe\x00", b"[" * 100_000, b'{"n": ' + b"1" * 5000 + b"}"])
async def test_a_body_that_is_no_json_is_a_failure(body: bytes) -> None:
    assert await answer_to(Http("/", json={"a": 1}), response(200, body)) == Answer(False, "json: the body is not JSON")


async def test_a_body_that_came_compressed_unasked_is_read() -> None:
    raw = response(200, gzip.compress(b'{"status": "ok"}'), {"Content-Encoding": "gzip"})

    assert (await answer_to(Http("/", json={"status": "ok"}), raw)).ok


async def test_a_compressed_body_is_unpacked_up_to_the_limit_only() -> None:
    raw = response(200, gzip.compress(b" " * 30 * MIB), {"Content-Encoding": "gzip"})

    assert (await answer_to(Http("/", body="^  "), raw)).ok
    assert await answer_to(Http("/", json=[]), raw) == Answer(False, "json: the body is longer than 1024 KiB")


async def test_a_body_that_is_not_compressed_as_it_says_is_a_failure() -> None:
    answer = await answer_to(Http("/"), response(200, b"plain", {"Content-Encoding": "gzip"}))

    assert not answer.ok
    assert answer.detail.startswith("the body is not valid gzip: ")


class Flood:
    """Sends a body without end, or of `length` bytes; knows how much of it went out."""

    def __init__(self, length: int | None) -> None:
        self.head = "HTTP/1.1 200 OK\r\n" + ("" if length is None else f"Content-Length: {length}\r\n") + "\r\n"
        self.length = length
        self.sent = 0
        self.refused = trio.Event()

    async def __call__(self, stream: Stream) -> None:
        try:
            await stream.send_all(self.head.encode())
            while self.length is None or self.sent < self.length:
                await stream.send_all(b"x" * 64 * 1024)
                self.sent += 64 * 1024
        except trio.BrokenResourceError:
            self.refused.set()


@pytest.mark.parametrize("length", [100 * MIB, None], ids=["huge", "endless"])
async def test_no_more_than_the_beginning_of_a_huge_body_is_read(length: int | None) -> None:
    flood = Flood(length)
    async with serving(flood) as port, open_http(Http("/", body="^x"), target(port), 5) as probe:
        with trio.fail_after(5):
            answer = await probe.ask()
            await flood.refused.wait()

    assert answer.ok
    assert flood.sent < 32 * MIB  # 1 MiB, and what the kernel's buffers hold


async def test_after_a_huge_body_the_next_question_is_answered() -> None:
    async with serving(Flood(10 * MIB)) as port, open_http(Http("/"), target(port), 5) as probe:
        assert [(await probe.ask()).ok for _ in range(3)] == [True, True, True]


# Servers that do not behave


async def test_a_port_on_which_nobody_listens() -> None:
    async with serving(Site(lambda _: response())) as port:
        pass

    assert await ask_once(Http("/"), port) == Answer(False, f"connection refused on 127.0.0.1:{port}")


async def test_a_connection_that_is_closed_without_an_answer_is_not_tried_again() -> None:
    connections = 0

    async def hang_up(stream: Stream) -> None:
        nonlocal connections
        connections += 1
        await stream.receive_some()

    async with serving(hang_up) as port:
        answer = await ask_once(Http("/"), port)

    assert answer == Answer(False, f"127.0.0.1:{port} closed the connection without an answer")
    assert connections == 1


async def test_a_connection_that_is_reset_is_a_failure() -> None:
    async def reset(stream: Stream) -> None:
        await stream.receive_some()
        assert isinstance(stream, trio.SocketStream)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    async with serving(reset) as port:
        answer = await ask_once(Http("/"), port)

    assert answer == Answer(False, f"connection reset by 127.0.0.1:{port}")


async def test_a_body_that_ends_too_early_is_a_failure() -> None:
    async def cut(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    async with serving(cut) as port:
        answer = await ask_once(Http("/"), port)

    assert not answer.ok
    assert "received 4 bytes, expected 100" in answer.detail


GARBAGE = [
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"HTTP/1.1 two hundred\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x00\x00",
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"-ERR unknown command\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_whatever_is_not_http_is_a_failure_on_one_short_line(garbage: bytes) -> None:
    async def send(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(garbage)

    async with serving(send) as port:
        answer = await ask_once(Http("/"), port)

    assert not answer.ok
    assert answer.detail.isprintable()
    assert 0 < len(answer.detail) <= 250


async def test_damaged_answers_never_raise() -> None:
    rng = random.Random(7)
    good = (
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )

    async def damage(stream: Stream) -> None:
        await stream.receive_some()
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        await stream.send_all(damaged[: rng.randint(1, len(damaged))])

    async with serving(damage) as port, open_http(Http("/", json={}), target(port), 5) as probe:
        with trio.fail_after(10):
            answers = [await probe.ask() for _ in range(300)]

    assert all(answer.detail.isprintable() for answer in answers)
    assert not any(answer.ok for answer in answers)


# A connection that is kept

KEPT = Http("/", headers={"Connection": "keep-alive"})


async def test_the_connection_is_kept_between_questions_when_asked_for() -> None:
    site = Site(lambda _: response(200, b"fine"))
    async with serving(site) as port, open_http(KEPT, target(port), 5) as probe:
        for _ in range(3):
            assert (await probe.ask()).ok

    assert site.connections == 1


async def test_the_connection_is_closed_with_the_probe() -> None:
    site = Site(lambda _: response())
    async with serving(site) as port:
        assert (await ask_once(Http("/"), port)).ok
        await site.wait_deserted()


async def test_by_default_an_idle_probe_keeps_no_connection_that_a_server_would_wait_on() -> None:
    site = Site(lambda _: response())
    async with serving(site) as port, open_http(Http("/"), target(port), 5) as probe:
        await probe.ask()
        await site.wait_deserted()
        assert (await probe.ask()).ok

    assert site.connections == 2


async def test_a_kept_connection_that_the_server_closed_meanwhile_is_no_failure() -> None:
    closed = trio.Event()

    async def answer_once(stream: Stream) -> None:
        await stream.receive_some()
        await stream.send_all(response())
        await stream.aclose()
        closed.set()

    async with serving(answer_once) as port, open_http(KEPT, target(port), 5) as probe:
        assert (await probe.ask()).ok
        await closed.wait()
        assert (await probe.ask()).ok


class HangsUp:
    """Answers the first request of each connection, and closes it when the second comes."""

    def __init__(self, *, answers: int, reset: bool = False) -> None:
        self.answers = answers
        self.reset = reset
        self.connections = 0

    async def __call__(self, stream: Stream) -> None:
        self.connections += 1
        await stream.receive_some()
        if self.answers:
            self.answers -= 1
            await stream.send_all(response())
            await stream.receive_some()
        if self.reset and isinstance(stream, trio.SocketStream):
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_kept_connection_that_breaks_under_the_question_is_replaced_once(reset: bool) -> None:
    server = HangsUp(answers=2, reset=reset)
    async with serving(server) as port, open_http(KEPT, target(port), 5) as probe:
        assert (await probe.ask()).ok
        assert (await probe.ask()).ok

    assert server.connections == 2


async def test_a_server_that_stopped_to_answer_is_asked_once_more_and_not_again() -> None:
    server = HangsUp(answers=1)
    async with serving(server) as port, open_http(KEPT, target(port), 5) as probe:
        assert (await probe.ask()).ok
        assert not (await probe.ask()).ok
        assert server.connections == 2
        assert not (await probe.ask()).ok
        assert server.connections == 3


async def test_a_server_that_closed_the_kept_connection_and_hangs_up_on_a_new_one_is_asked_once() -> None:
    connections = 0
    closed = trio.Event()

    async def answer_the_first(stream: Stream) -> None:
        nonlocal connections
        connections += 1
        await stream.receive_some()
        if connections == 1:
            await stream.send_all(response())
            await stream.aclose()
            closed.set()

    async with serving(answer_the_first) as port, open_http(KEPT, target(port), 5) as probe:
        assert (await probe.ask()).ok
        await closed.wait()
        assert not (await probe.ask()).ok

    assert connections == 2


# Questions that are cancelled


async def cancel_when(event: trio.Event, port: int, check: Http, then: trio.Event) -> Answer:
    """Ask, cancel that at `event`, set `then`, ask again."""
    async with open_http(check, target(port), 5) as probe:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(probe.ask)
            await event.wait()
            nursery.cancel_scope.cancel()
        then.set()
        with trio.fail_after(2):
            return await probe.ask()


async def test_after_a_cancelled_question_to_a_silent_server_the_next_is_answered() -> None:
    asked, recovered = trio.Event(), trio.Event()
    site = Site(lambda _: response())

    async def serve(stream: Stream) -> None:
        if recovered.is_set():
            return await site(stream)
        await stream.receive_some()
        asked.set()
        assert await stream.receive_some() == b""  # it hangs up
        return None

    async with serving(serve) as port:
        assert (await cancel_when(asked, port, Http("/"), recovered)).ok


@pytest.mark.parametrize("whole_head", [False, True], ids=["head", "body"])
async def test_after_a_cancelled_question_to_a_server_that_trickles_the_next_is_answered(whole_head: bool) -> None:
    trickled, recovered = trio.Event(), trio.Event()
    site = Site(lambda _: response())

    async def serve(stream: Stream) -> None:
        if recovered.is_set():
            return await site(stream)
        await stream.receive_some()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nX: "
        await stream.send_all(head + b"\r\n\r\n" if whole_head else head)
        for count in range(1000):
            await stream.send_all(b"x")
            await trio.sleep(0.002)
            if count == 10:
                trickled.set()
        return None

    async with serving(serve) as port:
        assert (await cancel_when(trickled, port, Http("/"), recovered)).ok


async def test_a_question_can_be_cancelled_at_each_step_and_costs_the_next_nothing() -> None:
    site = Site(lambda _: response(200, b"fine"))
    async with serving(site) as port:
        before = open_descriptors()
        for kept in (False, True):
            step, cancelled = -1, True
            while cancelled:
                step += 1
                async with open_http(KEPT if kept else Http("/"), target(port), 5) as probe:
                    if kept:
                        assert (await probe.ask()).ok
                    cancelled = await cancelled_at_step(step, probe.ask)
                    with trio.fail_after(2):
                        assert (await probe.ask()).ok
                await site.wait_deserted()
            assert step >= (2 if kept else 3), "connect, send, receive: each was cancelled"
        assert open_descriptors() == before


# Whole URLs, other hosts, other servers


async def test_ipv6() -> None:
    async with serving(Site(lambda _: response()), "::1") as port:
        assert (await ask_once(Http("/", host="::1"), port)).ok
        assert (await ask_once(Http("http://[::1]:{port}/"), port)).ok
    assert await ask_once(Http("/", host="::1"), port) == Answer(False, f"connection refused on [::1]:{port}")


async def test_a_whole_url_is_asked_as_it_is() -> None:
    site = Site(paths({"/x": response()}))
    async with serving(site) as port:
        assert (await ask_once(Http(f"http://localhost:{port}/x"), None)).ok


async def test_the_owner_of_the_port_matters_when_this_machine_is_asked_at_the_port_of_the_child() -> None:
    async def port_of(check: Http) -> int | None:
        async with open_http(check, target(8080), 5) as probe:
            return probe.port

    assert await port_of(Http("/")) == 8080
    assert await port_of(Http("http://localhost:{port}/")) == 8080
    assert await port_of(Http("http://127.0.0.1:8081/")) is None
    assert await port_of(Http("https://agents.example:8080/")) is None
    assert await port_of(Http("http://localhost/")) is None


@pytest.mark.parametrize("url", ["/health", "http://localhost:{port}/"])
async def test_a_question_to_the_port_of_a_child_that_has_none_can_not_be_put(url: str) -> None:
    with pytest.raises(ProbeError, match="needs a port"):
        await ask_once(Http(url), None)


async def test_a_url_that_nobody_can_have_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="can't be asked"):
        await ask_once(Http("http://a..\N{SNOWMAN}b/"), None)
    with pytest.raises(ProbeError, match="can't be asked"):
        await HttpClient().ask(question("ftp://127.0.0.1/"), 1)


async def test_a_host_that_nothing_can_be_called_is_a_failure() -> None:
    answer = await ask_once(Http("http://a..b/"), None)

    assert not answer.ok
    assert answer.detail == "the host of a..b:80 can't be found: not a possible name"


@pytest.fixture
def standard_server() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


async def test_against_the_server_of_the_standard_library(standard_server: int) -> None:
    assert (await ask_once(Http("/health", body="^ok$"), standard_server)).ok
    assert await ask_once(Http("/nothing"), standard_server) == Answer(False, "HTTP 404, expected 200-299")
