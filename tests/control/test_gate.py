"""Who comes in over TCP: with which token, under which name, from which page, and how often."""

import json
import socket
from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock

from tests.control.trees import OBSERVE, OPERATE, PATIENCE, forever, in_thread, open_control, serving_tcp, some
from trio_supervisor import task
from trio_supervisor.control.callers import Caller
from trio_supervisor.control.client import Client
from trio_supervisor.control.places import UrlPlace
from trio_supervisor.control.server.door import is_open_to_others, listening_at, split_place
from trio_supervisor.control.server.gate import QUIET, Guesses
from trio_supervisor.control.server.pace import Paces
from trio_supervisor.control.sources import Sources, Written
from trio_supervisor.control.tokens import Tokens, checked
from trio_supervisor.embedding.specs import supervisor_spec
from trio_supervisor.errors import AccessError, ConfigError, LockedError, RequestError, TooManyRequestsError
from trio_supervisor.journal.orders import Order

Answer = tuple[int, str]
"""The status, and the message of an error."""


async def ask(port: int, method: str = "GET", place: str = "/v1/agents", **headers: str) -> Answer:
    """One request, as it is written; without a token unless it is among the headers."""
    named = {"host": f"127.0.0.1:{port}", "connection": "close", "content-length": "0"} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(f"{method} {place} HTTP/1.1\r\n{head}\r\n".encode())
            answer = b"".join([bytes(chunk) async for chunk in stream])
    status = int(answer.split()[1])
    body = answer.partition(b"\r\n\r\n")[2]
    return status, json.loads(body)["error"]["message"] if status >= 400 else ""


def bearer(token: str) -> str:
    return f"Bearer {token}"


async def test_who_has_a_token_may_do_what_it_is_for() -> None:
    async with open_control(*some()) as control, serving_tcp(control) as port:
        assert (await ask(port, authorization=bearer(OBSERVE)))[0] == 200
        assert (await ask(port, authorization=bearer(OPERATE)))[0] == 200
        assert (await ask(port, "POST", "/v1/agents/a/restart", authorization=bearer(OPERATE)))[0] == 200
        refused = await ask(port, "POST", "/v1/agents/a/restart", authorization=bearer(OBSERVE))
        assert refused == (403, "this token lets only observe; to command takes the one to operate")
        for place in ("/v1/shutdown", "/v1/plan", "/v1/apply", "/v1/agents"):
            assert (await ask(port, "POST", place, authorization=bearer(OBSERVE)))[0] == 403
        assert control.agent("a").generation == 2


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer x", f"Bearer {OPERATE}x", OPERATE])
async def test_who_has_none_may_nothing(shown: str) -> None:
    async with open_control(*some()) as control, serving_tcp(control) as port:
        for method, place in [("GET", "/v1/agents"), ("POST", "/v1/agents/a/restart"), ("GET", "/openapi.json")]:
            assert (await ask(port, method, place, authorization=shown))[0] == 401
        assert (await ask(port, place="/nowhere", authorization=shown))[0] == 401
        assert control.agent("a").generation == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:7070", 200),
        ("LOCALHOST", 200),
        ("[::1]:7070", 200),
        ("192.168.1.7:7070", 200),
        ("agents.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:7070", 421),
        ("localhost.evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_a_name_that_a_stranger_lets_point_here_is_none_of_ours(host: str, status: int) -> None:
    async with open_control(*some()) as control, serving_tcp(control) as port:
        assert (await ask(port, host=host, authorization=bearer(OPERATE)))[0] == status


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1", "file://"]
)
async def test_a_page_from_elsewhere_may_not_ask(origin: str) -> None:
    async with open_control(*some()) as control, serving_tcp(control) as port:
        token = bearer(OPERATE)
        assert (await ask(port, "POST", "/v1/agents/a/restart", origin=origin, authorization=token))[0] == 403
        # Nor open a WebSocket, for which a browser asks nobody.
        upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        upgrade["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        assert (await ask(port, place="/v1/logs", origin=origin, authorization=token, **upgrade))[0] == 403
        assert (await ask(port, origin=f"http://127.0.0.1:{port}", authorization=token))[0] == 200
        assert control.agent("a").generation == 1


async def test_a_loop_of_guesses_is_slowed_down_and_told_once_and_disturbs_nobody_else() -> None:
    told: list[tuple[str, str]] = []
    statuses: list[int] = []
    async with open_control(*some()) as control, serving_tcp(control, told) as port:

        async def guess(number: int) -> None:
            statuses.append((await ask(port, authorization=f"Bearer {number}"))[0])

        begun = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(guess, number)
        took = trio.current_time() - begun
        assert (await ask(port, authorization=bearer(OPERATE)))[0] == 200

    assert set(statuses) <= {401, 429}
    # Five at once, and one in each second of the time that a slow machine gives us.
    assert statuses.count(401) <= 7 + took
    assert [(address, words[:26]) for address, words in told] == [("127.0.0.1", "refused: 5 wrong tokens; m")]


async def test_guesses_are_refused_beyond_one_in_a_second(autojump_clock: MockClock) -> None:
    async def tell(address: str, words: str) -> None:
        return

    guesses, refused = Guesses(tell), 0

    async def guess() -> None:
        nonlocal refused
        try:
            await guesses.wrong("x")
        except TooManyRequestsError:
            refused += 1

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(guess)
    assert (refused, trio.current_time()) == (34, 1.0)


async def test_guesses_are_told_again_after_a_quiet_time(autojump_clock: MockClock) -> None:
    told: list[str] = []

    async def tell(address: str, words: str) -> None:
        told.append(address)

    guesses = Guesses(tell)
    for address in ("x", "x", "y", "z", "x", "x", "y"):
        await guesses.wrong(address)
    assert told == ["x"]
    await trio.sleep(QUIET + 1)
    for _ in range(5):
        await guesses.wrong("z")
    assert told == ["x", "z"]


async def test_a_greedy_client_has_nothing_left_and_others_have(autojump_clock: MockClock) -> None:
    paces = Paces(rate=10, burst=5)
    refused = 0

    async def ask_again() -> None:
        nonlocal refused
        try:
            await paces.turn("greedy")
        except TooManyRequestsError:
            refused += 1

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask_again)
    now = trio.current_time()
    await paces.turn("other")
    assert (refused, trio.current_time()) == (35, now)


async def test_an_order_is_given_by_who_has_the_token() -> None:
    orders: list[Order] = []

    async def record(order: Order) -> bool:
        orders.append(order)
        return True

    async with open_control(*some()) as control, serving_tcp(control) as port:
        control.record_orders(record)
        client = Client(UrlPlace(f"http://127.0.0.1:{port}", OPERATE))
        await in_thread(client.restart, "a", reason="it is time")
        await control.stop("a")

    first, second = orders
    assert (first.verb, first.agent, first.reason, first.who) == ("restart", "a", "it is time", "token operate")
    assert first.origin.startswith("127.0.0.1:")
    assert (second.verb, second.who, second.origin) == ("stop", "program", "")


async def test_who_applies_and_who_adds_is_written_down_too() -> None:
    orders: list[Order] = []

    async def record(order: Order) -> bool:
        orders.append(order)
        return True

    async def read() -> Written:
        return Written(supervisor_spec(some()))

    async def read_agents(texts: Mapping[str, str]) -> dict[str, Written | ConfigError]:
        return {agent: Written(supervisor_spec([task(agent, forever)])) for agent in texts}

    async with open_control(*some()) as control, serving_tcp(control) as port:
        control.read_by(Sources(read, read_agents))
        control.record_orders(record)
        client = Client(UrlPlace(f"http://127.0.0.1:{port}", OPERATE))
        assert (await in_thread(client.plan)).changes
        await in_thread(client.register, "new", "{}")
        await in_thread(client.apply)

    assert [(order.verb, order.agent, order.who) for order in orders] == [
        ("add", "new", "token operate"),
        ("apply", "", "token operate"),
    ]
    assert [order.added for order in orders] == [{"text": "{}", "start": True}, None]


async def test_who_joins_a_command_is_written_down_too() -> None:
    orders: list[Order] = []

    async def record(order: Order) -> bool:
        orders.append(order)
        return True

    async with open_control(*some()) as control:
        control.record_orders(record)
        await control.stop("a", wait=False)
        await control.stop("a")
    assert [order.verb for order in orders] == ["stop", "stop"]


async def test_a_client_of_a_url_does_all_that_one_of_the_socket_does() -> None:
    async with open_control(*some()) as control, serving_tcp(control) as port:
        client = Client(UrlPlace(f"http://localhost:{port}/", OPERATE))
        assert [one.agent for one in await in_thread(client.snapshot)] == ["a", "b", "team", "team/planner"]
        with pytest.raises(AccessError, match="the token is wrong"):
            await in_thread(Client(UrlPlace(f"http://127.0.0.1:{port}", "x")).snapshot)
        with pytest.raises(AccessError, match="lets only observe"):
            await in_thread(Client(UrlPlace(f"http://127.0.0.1:{port}", OBSERVE)).stop, "a")


@pytest.mark.parametrize(
    "url", ["x", "ftp://x", "http://", "http://x/y", "http://u:p@x", "http://x:99999", "http://[x"]
)
def test_what_is_no_url_of_a_supervisor(url: str) -> None:
    with pytest.raises(RequestError, match="--url"):
        UrlPlace(url, OPERATE)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (Tokens(), "--listen needs a token"),
        (Tokens(operate="short"), "the token to operate must have at least 32 characters, not 5"),
        (Tokens(operate=""), "the token to operate must have at least 32 characters, not 0"),
        (Tokens(observe="a" * 64), "the token to observe must have at least 8 different characters, not 1"),
        (Tokens(observe="ä" * 64), "the token to observe must be of printable ASCII characters"),
        (Tokens(OPERATE, OPERATE), "must not be the same"),
    ],
)
def test_a_weak_token_is_none(tokens: Tokens, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked(tokens)


@pytest.mark.parametrize("place", ["", ":", "x", "h:", "h:x", "h:70000", "::1:7", "[::1:7", "h:-1"])
def test_what_is_no_place_to_listen_at(place: str) -> None:
    with pytest.raises(ConfigError, match="--listen must be HOST:PORT"):
        split_place(place)


def test_where_it_listens_and_who_reaches_it() -> None:
    assert [split_place(text) for text in ("7", ":7", "[::1]:7", "h:7")] == [
        ("127.0.0.1", 7),
        ("127.0.0.1", 7),
        ("::1", 7),
        ("h", 7),
    ]
    with listening_at("localhost:0") as here, listening_at("0.0.0.0:0") as anywhere:
        assert here.family is socket.AF_INET
        assert not is_open_to_others(here)
        assert is_open_to_others(anywhere)
        with pytest.raises(LockedError, match="somebody else listens there"):
            listening_at(f"127.0.0.1:{here.getsockname()[1]}")
    with pytest.raises(ConfigError, match=r"there is no host 'no\.such\.host\.invalid'"):
        listening_at("no.such.host.invalid:1")


def test_who_it_is_in_words() -> None:
    assert str(Caller("uid 0, pid 7", "control.sock")) == "uid 0, pid 7 from control.sock"
    assert str(Caller("program")) == "program"
    assert Caller("token operate", "[::1]:7").client == "[::1]"
    assert Caller("uid 0, pid 7", "control.sock").client == "uid 0, pid 7"
