"""Attaching and following over a WebSocket, by clients that are right, wrong, slow or gone."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.control.sockets import Refused, Talk, talking
from tests.control.trees import OBSERVE, OPERATE, PATIENCE, cat, forever, open_control, serving, serving_tcp, some
from trio_supervisor import ChildSpec, process, task
from trio_supervisor.control.api import State
from trio_supervisor.control.local import LocalControl
from trio_supervisor.control.wire.attaching import WINDOW
from trio_supervisor.errors import ConflictError, WriterBusyError
from trio_supervisor.output.selection import Selection


async def connected(path: Path) -> trio.SocketStream:
    return await trio.open_unix_socket(path)


@asynccontextmanager
async def attached(*children: ChildSpec, agent: str) -> AsyncIterator[tuple[LocalControl, Path, Talk]]:
    """A tree, and somebody who writes to one of it."""
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(open_control(*children))
        path = await stack.enter_async_context(serving(control))
        talk = await stack.enter_async_context(talking(await connected(path), f"/v1/agents/{agent}/attach"))
        await talk.until(lambda: talk.told)
        yield control, path, talk


def deaf() -> ChildSpec:
    """Reads nothing, though it could."""
    return process("deaf", ["sleep", "600"], stdin="pipe")


async def test_it_talks_until_the_end_of_the_life() -> None:
    async with attached(cat(), agent="cat") as (control, _, talk):
        await talk.type(b"hello\n")
        await talk.until(lambda: b"hello\n" in talk.said and len(talk.told) > 1)
        begun, taken = talk.told
        expected = {"type": "attached", "writes": True, "terminal": False, "generation": 1, "agent": "cat"}
        assert expected.items() <= begun.items()
        assert begun["pid"] == control.agent("cat").pid
        assert taken == {"type": "taken", "bytes": 6}
        await talk.tell(type="eof")
        assert (await talk.until_closed())[0] == 1000
        assert (talk.told[-1]["type"], talk.told[-1]["exit"]["code"]) == ("ended", 0)


async def test_who_comes_later_gets_what_was_said_and_who_wants_not_does_not() -> None:
    async with open_control(cat()) as control, serving(control) as path:
        async with talking(await connected(path), "/v1/agents/cat/attach") as talk:
            await talk.type(b"hello\n")
            await talk.until(lambda: b"hello\n" in talk.said)
        for query, expected in [("write=false", b"hello\nbye\n"), ("write=false&replay=false", b"bye\n")]:
            async with talking(await connected(path), f"/v1/agents/cat/attach?{query}") as talk:
                await talk.until(lambda: talk.told)
                await control.send("cat", b"bye\n")
                await talk.until(lambda: talk.said.endswith(b"bye\n"))
                assert talk.said.endswith(expected)
                assert (b"hello" in talk.said) == (b"hello" in expected)


async def test_who_does_not_read_can_be_left_at_once_and_gets_no_more_than_the_window() -> None:
    async with open_control(deaf()) as control, serving(control) as path:
        async with talking(await connected(path), "/v1/agents/deaf/attach") as talk:
            # The pipe takes 64 KiB, and the window the same once more.
            for _ in range(2):
                await talk.type(bytes(WINDOW))
                await talk.until(lambda: sum(each.get("bytes", 0) for each in talk.told) >= WINDOW)
            await talk.type(bytes(WINDOW))
            assert (await talk.until_closed())[0] == 1008
        async with talking(await connected(path), "/v1/agents/deaf/attach") as talk:
            await talk.type(bytes(WINDOW))
            await talk.until(lambda: talk.told)
        with trio.fail_after(PATIENCE):
            # Who is gone holds nothing, though what was typed last is not taken.
            while (await control.attach("deaf", write=False)).writer:
                await trio.sleep(0.01)
        (await control.attach("deaf")).detach()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", "{}", '{"type": 7}', '{"type": "fly"}', '{"type": "resize"}', '{"type": "resize", "columns": "x"}',
     '{"type": "resize", "columns": -1, "rows": 2}', '{"type": "eof", "now": true}', "[" * 10_000],
)  # fmt: skip
async def test_what_is_wrong_with_a_message_ends_it_and_nothing_else(text: str) -> None:
    from wsproto.events import TextMessage  # noqa: PLC0415

    async with open_control(cat()) as control, serving(control) as path:
        async with talking(await connected(path), "/v1/agents/cat/attach") as talk:
            await talk.send(TextMessage(text))
            code, reason = await talk.until_closed()
            assert (code, bool(reason)) == (1008, True)
        assert control.agent("cat").state is State.READY


async def test_a_size_that_no_terminal_has_is_refused_and_it_goes_on() -> None:
    async with attached(process("sh", ["sh"], stdin="pty"), agent="sh") as (_, _, talk):
        await talk.tell(type="resize", columns=100_000, rows=1)
        await talk.until(lambda: len(talk.told) > 1)
        assert talk.told[1]["message"] == "columns and rows must be within 1 to 65535, not 100000 and 1"
        await talk.tell(type="resize", columns=111, rows=22)
        await talk.type(b"stty size\n")
        await talk.until(lambda: b"22 111" in talk.said)


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("/v1/agents/nobody/attach", 404, "there is no agent 'nobody'"),
        ("/v1/agents/..%2F..%2Fcat/attach", 404, "there is no agent '../../cat'"),
        ("/v1/agents/%00/attach", 404, "there is no agent '\\x00'"),
        ("/v1/agents/cat/attach?write=maybe", 400, "write must be true or false, not 'maybe'"),
        ("/v1/agents/cat/attach?x=1", 400, "there is no field 'x' here; there are: write, force, replay"),
        ("/v1/agents/a/attach", 409, "a is no process, so what you type can't reach it"),
        ("/v1/agents/team/attach", 409, "team is no process, so what you type can't reach it"),
        ("/v1/agents/cat/logs?tail=x", 400, "tail must be a whole number >= 0, not 'x'"),
        ("/v1/logs?agent=nobody", 404, "there is no agent 'nobody'"),
    ],
)
async def test_what_can_not_be_opened(target: str, status: int, message: str) -> None:
    async with open_control(cat(), *some()) as control, serving(control) as path:
        with pytest.raises(Refused) as refused:
            async with talking(await connected(path), target):
                pass
        assert (refused.value.status, refused.value.message[: len(message)]) == (status, message)


async def test_a_path_that_there_is_none_of_is_refused() -> None:
    async with open_control(*some()) as control, serving(control) as path:
        with pytest.raises(Refused) as refused:
            async with talking(await connected(path), "/v1/nothing"):
                pass
        assert refused.value.status in (403, 404)


async def test_one_writes_at_a_time_unless_it_is_taken_away() -> None:
    async with attached(cat(), agent="cat") as (control, path, first):
        with pytest.raises(Refused) as refused:
            async with talking(await connected(path), "/v1/agents/cat/attach"):
                pass
        assert refused.value.status == 409
        assert refused.value.message.startswith("cat: uid ")
        with pytest.raises(WriterBusyError):
            await control.attach("cat")
        with pytest.raises(ConflictError, match=r"cat: uid .* writes to it"):
            await control.send("cat", b"x")
        async with talking(await connected(path), "/v1/agents/cat/attach?force=true") as second:
            await first.until(lambda: len(first.told) > 1)
            assert (first.told[1]["type"], first.told[1]["writer"][:4]) == ("lost", "uid ")
            await first.type(b"never\n")
            await first.until(lambda: len(first.told) > 2)
            assert first.told[2]["type"] == "refused"
            await second.type(b"forced\n")
            await first.until(lambda: b"forced\n" in first.said)
            assert b"never" not in first.said


async def test_over_tcp_an_observer_watches_and_a_page_from_elsewhere_does_not() -> None:
    async with open_control(cat()) as control, serving_tcp(control) as port:

        async def opened(target: str, **headers: str) -> Talk:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with talking(stream, target, **headers) as talk:
                await talk.until(lambda: talk.told)
                return talk

        observe, operate = f"Bearer {OBSERVE}", f"Bearer {OPERATE}"
        assert (await opened("/v1/agents/cat/attach?write=false", authorization=observe)).told[0]["writes"] is False
        assert (await opened("/v1/agents/cat/attach", authorization=operate)).told[0]["writes"] is True
        for target, headers, status in [
            ("/v1/agents/cat/attach", {"authorization": observe}, 403),
            ("/v1/agents/cat/attach?write=false", {}, 401),
            ("/v1/agents/cat/attach", {"authorization": operate, "origin": "http://evil.example"}, 403),
        ]:
            with pytest.raises(Refused) as refused:
                await opened(target, **headers)
            assert refused.value.status == status


async def test_lines_are_followed_until_the_server_closes() -> None:
    async with open_control(cat(), task("a", forever)) as control:
        async with serving(control) as path:
            stream = await connected(path)
            await control.send("cat", b"hello\n")
            async with talking(stream, "/v1/logs?agent=cat&grep=o") as talk:
                await control.send("cat", b"no match? yes: o\nbye\n")
                await talk.until(lambda: len(talk.told) == 2)
                assert [line["text"] for line in talk.told] == ["hello", "no match? yes: o"]
                async with talking(await connected(path), "/v1/agents/cat/logs?follow=false&tail=1") as last:
                    assert (await last.until_closed())[0] == 1000
                    assert [line["text"] for line in last.told] == ["bye"]
                served = path.parent
        assert not (served / "control.sock").exists()


async def test_who_is_attached_when_the_server_closes_is_told() -> None:
    async with open_control(cat()) as control:
        async with trio.open_nursery() as nursery:
            is_open = trio.Event()
            ended: list[tuple[int, str]] = []

            async def stay(path: Path) -> None:
                async with talking(await connected(path), "/v1/agents/cat/attach") as talk:
                    is_open.set()
                    ended.append(await talk.until_closed())

            async with serving(control) as path:
                # It ends because the server does.
                nursery.start_soon(stay, path)  # noqa: ASYNC111 -- for that reason
                await is_open.wait()
        assert ended == [(1001, "the supervisor ends")]


@pytest.mark.slow
async def test_a_watcher_that_does_not_read_loses_output_is_told_and_delays_nobody() -> None:
    said = "read go; yes $(printf %01000d 0) | head -c 8000000; echo; echo END; exec sleep 600"
    loud = process("p", ["sh", "-c", said], stdin="pipe")
    async with open_control(loud) as control, serving(control) as path:
        stuck = await connected(path)
        async with talking(stuck, "/v1/agents/p/attach?write=false") as talk:
            await talk.until(lambda: talk.told)
            await control.send("p", b"go\n")
            with trio.fail_after(PATIENCE):
                async with control.logs(["p"], follow=True, selection=Selection(grep="^END")) as lines:
                    assert (await anext(aiter(lines))).text == "END"
            await talk.until(lambda: b"END" in talk.said)
            assert [each["type"] for each in talk.told[1:2]] == ["dropped"]
            assert json.dumps(talk.told[1]["pieces"]).isdigit()
