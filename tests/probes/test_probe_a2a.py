"""The agent card probe against real servers."""

import json
from collections.abc import Mapping

import pytest
import trio

from tests.probes.probe_servers import Request, Site, paths, response, serving
from trio_supervisor.errors import ProbeError
from trio_supervisor.probes.a2a import OLD_PATH, PATH, open_a2a
from trio_supervisor.probes.base import Answer, Target
from trio_supervisor.spec import A2A

Card = dict[str, object]

COMMON: Card = {
    "name": "echo",
    "description": "says it again",
    "version": "1.0.0",
    "capabilities": {},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "echo", "name": "echo", "description": "says it again", "tags": ["test"]}],
}
V1_0: Card = {
    **COMMON,
    "supportedInterfaces": [{"url": "http://x/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
}
V0_3: Card = {**COMMON, "url": "http://x/", "protocolVersion": "0.3.0", "preferredTransport": "JSONRPC"}
V0_2: Card = {**COMMON, "url": "http://x/"}


def shown(card: object, headers: Mapping[str, str] | None = None) -> bytes:
    return response(200, json.dumps(card).encode(), headers)


def without(card: Card, name: str) -> Card:
    return {key: value for key, value in card.items() if key != name}


async def answers(site: Site, count: int = 1) -> list[Answer]:
    """What the probe says when it asks so many times."""
    async with serving(site) as port, open_a2a(A2A(), Target("echo", port, None), 5) as probe:
        assert probe.port == port
        given: list[Answer] = []
        for _ in range(count):
            with trio.fail_after(5):
                given.append(await probe.ask())
        return given


async def answer_to(raw: bytes, path: str = PATH) -> Answer:
    (answer,) = await answers(Site(paths({path: raw})))
    return answer


@pytest.mark.parametrize(
    ("path", "card"),
    [(PATH, V1_0), (PATH, V0_3), (OLD_PATH, V1_0), (OLD_PATH, V0_3), (OLD_PATH, V0_2), (PATH, {**V0_3, **V1_0})],
)
async def test_a_complete_card_is_a_success(path: str, card: Card) -> None:
    answer = await answer_to(shown(card), path)

    assert answer.ok
    assert answer.detail.startswith("agent card, 200 in ")


@pytest.mark.parametrize("name", list(V1_0))
async def test_each_required_field_of_1_0_is_missed(name: str) -> None:
    answer = await answer_to(shown(without(V1_0, name)))

    assert answer == Answer(False, f"agent card (A2A 1.0): {name} is missing")


@pytest.mark.parametrize("name", [name for name in V0_3 if name != "preferredTransport"])
async def test_each_required_field_of_0_3_is_missed(name: str) -> None:
    answer = await answer_to(shown(without(V0_3, name)))

    assert answer == Answer(False, f"agent card (A2A 0.3): {name} is missing")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": 1}, "name is not a text"),
        ({"capabilities": []}, "capabilities is not an object"),
        ({"skills": {}}, "skills is not a list"),
        ({"skills": ["echo"]}, "skills[0] is not an object"),
        ({"skills": [{"id": "a", "name": "a", "description": "a"}]}, "skills[0].tags is missing"),
        ({"supportedInterfaces": [{"url": "http://x/", "protocolVersion": "1.0"}]},
         "supportedInterfaces[0].protocolBinding is missing"),
    ],
)  # fmt: skip
async def test_a_field_of_the_wrong_kind_is_named(change: Card, fault: str) -> None:
    assert await answer_to(shown({**V1_0, **change})) == Answer(False, f"agent card (A2A 1.0): {fault}")


async def test_of_many_faults_the_first_are_named() -> None:
    assert await answer_to(shown({})) == Answer(
        False,
        "agent card (A2A 1.0): name is missing, description is missing, version is missing, "
        "capabilities is missing, ...",
    )


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (response(503), "agent card: HTTP 503, expected 200"),
        (response(301, headers={"Location": "/"}), "agent card: HTTP 301, expected 200"),
        (response(304), "agent card: HTTP 304, expected 200"),
        (response(200, b"<html>"), "agent card: not JSON"),
        (response(200, b"[" * 100_000), "agent card: not JSON"),
        (response(200, b"[]"), "agent card: not a JSON object"),
        (response(200, b" " * 1024 * 1024 + b"{}"), "agent card: longer than 1024 KiB"),
    ],
)
async def test_what_is_no_card_is_a_failure(raw: bytes, detail: str) -> None:
    assert await answer_to(raw) == Answer(False, detail)


async def test_no_card_at_either_path_is_a_failure() -> None:
    (answer,) = await answers(Site(paths({})))

    assert answer == Answer(False, f"no agent card: HTTP 404 for {PATH} and {OLD_PATH}")


async def test_an_error_other_than_404_is_not_looked_round() -> None:
    site = Site(paths({PATH: response(500), OLD_PATH: shown(V0_2)}))

    assert [answer.ok for answer in await answers(site, 2)] == [False, False]
    assert [request.path for request in site.requests] == [PATH, PATH]


async def test_the_path_that_worked_is_asked_first() -> None:
    site = Site(paths({OLD_PATH: shown(V0_2)}))

    assert all(answer.ok for answer in await answers(site, 3))
    assert [request.path for request in site.requests] == [PATH, OLD_PATH, OLD_PATH, OLD_PATH]


async def test_when_the_old_path_goes_away_the_new_one_is_asked_again() -> None:
    cards = {OLD_PATH: shown(V0_2)}
    site = Site(paths(cards))
    async with serving(site) as port, open_a2a(A2A(), Target("echo", port, None), 5) as probe:
        assert (await probe.ask()).ok
        cards.clear()
        assert not (await probe.ask()).ok
        cards[PATH] = shown(V1_0)
        assert (await probe.ask()).ok
        assert (await probe.ask()).ok

    assert [request.path for request in site.requests] == [PATH, OLD_PATH, OLD_PATH, PATH, OLD_PATH, PATH, PATH]


class Tagged:
    """Shows a card with an entity tag, and says 304 to those who know it."""

    def __init__(self) -> None:
        self.tag = '"1"'
        self.card: Card = V1_0

    def __call__(self, request: Request) -> bytes:
        if request.path != PATH:
            return response(404)
        if request.headers.get("if-none-match") == self.tag:
            return response(304, headers={"ETag": self.tag})
        return shown(self.card, {"ETag": self.tag})


async def test_a_card_that_did_not_change_is_not_sent_again() -> None:
    site = Site(Tagged())

    first, second, third = await answers(site, 3)

    assert first.detail.startswith("agent card, 200 in ")
    assert second.detail.startswith("agent card, 304 in ")
    assert third.ok
    assert [request.headers.get("if-none-match") for request in site.requests] == [None, '"1"', '"1"']


async def test_a_card_that_changed_is_judged_again() -> None:
    agent = Tagged()
    async with serving(Site(agent)) as port, open_a2a(A2A(), Target("echo", port, None), 5) as probe:
        assert (await probe.ask()).ok
        agent.tag, agent.card = '"2"', without(V1_0, "skills")
        assert await probe.ask() == Answer(False, "agent card (A2A 1.0): skills is missing")
        # The tag of a bad card is not kept: 304 would make it good.
        assert await probe.ask() == Answer(False, "agent card (A2A 1.0): skills is missing")
        agent.card = V1_0
        assert (await probe.ask()).detail.startswith("agent card, 200 in ")


async def test_a_tag_that_could_not_be_sent_back_is_not_kept() -> None:
    site = Site(lambda _: shown(V1_0, {"ETag": '"\N{SNOWMAN}"'}))

    assert [answer.ok for answer in await answers(site, 2)] == [True, True]
    assert "if-none-match" not in site.requests[1].headers


async def test_another_host() -> None:
    site = Site(paths({PATH: shown(V1_0)}))
    async with (
        serving(site, "::1") as port,
        open_a2a(A2A(host="::1"), Target("echo", port, None), 5) as probe,
    ):
        assert (await probe.ask()).ok
        assert probe.port == port
    async with open_a2a(A2A(host="agents.example"), Target("echo", port, None), 5) as probe:
        assert probe.port is None


async def test_an_agent_that_is_not_there_is_a_failure() -> None:
    async with serving(Site(paths({}))) as port:
        pass
    async with open_a2a(A2A(), Target("echo", port, None), 5) as probe:
        assert await probe.ask() == Answer(False, f"connection refused on 127.0.0.1:{port}")


async def test_a_child_without_a_port_can_not_be_asked() -> None:
    with pytest.raises(ProbeError, match="needs a port"):
        async with open_a2a(A2A(), Target("echo", None, None), 5):
            pass
