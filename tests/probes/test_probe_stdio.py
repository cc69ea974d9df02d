"""Probes over standard input, of real processes: who is asked when, and what is made of the answers."""

import pytest
import trio

from tests.runtimes.process_helpers import eventually
from tests.sessions.talking import PATIENCE, python, running
from trio_supervisor import (
    Handle,
    Health,
    Idle,
    Limits,
    Rpc,
    SpecError,
    Startup,
    State,
    Stdio,
    Supervisor,
    Unix,
    process,
    remote,
    task,
)
from trio_supervisor.runtimes.base import Interactive
from trio_supervisor.runtimes.process.input import InputPipe

SERVER = """
import json, sys
for line in sys.stdin:
    try:
        asked = json.loads(line)
    except ValueError:
        print('no JSON:', line.strip())
        continue
    print('request', asked['method'], file=sys.stderr, flush=True)
    if asked['method'] == 'say':
        print(asked['text'])
        continue
    print(json.dumps({'jsonrpc': '2.0', 'id': asked['id'], ANSWER}))
"""
MCP = python(SERVER.replace("ANSWER", "'result': {}"))
REFUSES = python(SERVER.replace("ANSWER", "'error': {'code': -32600, 'message': 'who are you?'}"))
WEDGES = python("import sys, time\nprint(sys.stdin.readline().replace('method', 'result'), end='')\ntime.sleep(600)")
"""Answers the first question, and reads no more."""


def often(protocol: Rpc = Rpc.MCP, timeout: float = 10.0, failures: int = 3) -> Health:
    return Health(Stdio(protocol), period=0.05, timeout=timeout, failures=failures, jitter=0)


def up(protocol: Rpc = Rpc.MCP) -> Startup:
    return Startup(Stdio(protocol))


def life_of(tree: Supervisor) -> Interactive:
    life = tree.engine.life("a")
    assert life is not None
    assert isinstance(life.life, Interactive)
    return life.life


def said(child: Handle, stream: str = "stdout") -> list[str]:
    return [line.text for line in child.output() if line.stream.value == stream]


async def asked(child: Handle, times: int) -> None:
    """Wait until it has noted so many questions on its standard error."""
    await eventually(lambda: sum("request" in line for line in said(child, "stderr")) >= times, PATIENCE)


async def test_who_answers_is_up_and_well_and_nobody_sees_the_questions() -> None:
    async with running(MCP, startup=up(), health=often()) as child:
        await child.wait_ready()
        assert child.snapshot().reason.startswith("MCP, answered in ")
        await asked(child, 5)

        assert said(child) == []
        assert child.state is State.READY


async def test_a_refusal_is_an_answer() -> None:
    async with running(REFUSES, startup=up(Rpc.ACP), health=often(Rpc.ACP)) as child:
        await child.wait_ready()
        assert child.snapshot().reason.startswith("ACP, answered (error -32600) in ")
        await asked(child, 3)

        assert "request _trio-supervisor/ping" in said(child, "stderr")


async def test_what_it_says_meanwhile_stays_whole() -> None:
    chatter = python(
        "import sys, threading\n"
        "def talk():\n"
        "    for n in range(2000): sys.stdout.write('{\"n\": %d}\\n' % n); sys.stdout.flush()\n"
        "threading.Thread(target=talk).start()\n"
        "for line in sys.stdin:\n"
        "    sys.stdout.write(line.replace('method', 'result')); sys.stdout.flush()\n"
    )
    async with running(chatter, startup=up(), health=often()) as child:
        await child.wait_ready()
        await eventually(lambda: len(said(child)) == 2000, PATIENCE)

        assert said(child) == [f'{{"n": {n}}}' for n in range(2000)]


async def test_who_does_not_read_is_without_an_answer_and_nothing_waits_for_it() -> None:
    """Also when its input is full to the brim."""
    spec = process(
        "a", WEDGES, stdin="pipe", startup=up(), health=often(timeout=0.05), restart="temporary", stop="kill"
    )
    async with Supervisor(spec) as tree:
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            pipe = life_of(tree).input
            assert isinstance(pipe, InputPipe)
            while pipe.put_line(b"x" * 4000 + b"\n"):
                pass
            await tree["a"].wait_exit()

        assert (
            tree["a"]
            .snapshot()
            .reason.startswith("unhealthy: 3 failed probes in a row, the last: no answer within 0.05 s")
        )


async def test_an_agent_that_has_closed_its_input_is_none() -> None:
    code = "import os, sys, time\nprint(sys.stdin.readline().replace('method', 'result'))\nos.close(0)\ntime.sleep(600)"
    async with running(python(code), startup=up(), health=often(), restart="temporary") as child:
        await child.wait_exit()

    assert child.snapshot().reason.startswith(
        "unhealthy: 3 failed probes in a row, the last: its standard input is closed"
    )


async def test_a_session_is_never_disturbed() -> None:
    async with running(MCP, startup=up(), health=often()) as child:
        await child.wait_ready()
        await asked(child, 2)
        with child.attach() as session:
            # What was under way is over at the latest with the answer to this.
            await session.write('{"method": "say", "text": "hello"}\n')
            await session.expect("hello")
            before = len(said(child, "stderr"))
            await trio.sleep(0.3)
            assert len(said(child, "stderr")) == before
            assert b"trio-supervisor" not in session.read(since=session.cursor).data
        await asked(child, before + 2)


async def test_a_session_that_comes_first_keeps_no_start_from_success() -> None:
    async with Supervisor() as tree:
        with trio.fail_after(PATIENCE):
            async with tree.sessions() as sessions:
                session = await sessions.start("me", MCP, preset="mcp-stdio")
                await eventually(lambda: tree[session.id].state is State.READY, PATIENCE)
                assert said(tree[session.id], "stderr") == []


async def test_who_is_wedged_under_a_session_is_left_to_it() -> None:
    """What fails because somebody else talks is no failed probe."""
    spec = process("a", WEDGES, stdin="pipe", startup=up(), health=often(timeout=0.05, failures=1000), stop="kill")
    async with Supervisor(spec) as tree:
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            await eventually(lambda: tree["a"].snapshot().failing_since is not None, PATIENCE)
            health = tree.engine.children["a"].health
            assert health is not None
            with tree["a"].attach() as session:
                # As many as there may have been before: each later one is none.
                failed = health.failed
                await session.write("hello\n")
                await trio.sleep(0.4)
                assert health.failed == failed
            await eventually(lambda: health.failed > failed, PATIENCE)


async def test_a_line_that_a_session_has_left_unfinished_is_left_alone() -> None:
    async with running(MCP, startup=up(), health=often()) as child:
        await child.wait_ready()
        with child.attach() as session:
            await session.write('{"method": "say", ')
        words = "stdio: who talked with it last has left a line unfinished, so nothing is asked"
        await eventually(lambda: any(words in line for line in said(child, "supervisor")), PATIENCE)
        with child.attach(replay=False) as session:
            await session.write('"text": "whole"}\n')
            await session.expect("whole")
            before = len(said(child, "stderr"))
        await asked(child, before + 2)

        assert not [line for line in said(child) if line.startswith("no JSON")]
        assert sum(words in line for line in said(child, "supervisor")) == 1, "it is said once"


async def test_probes_are_no_activity_nor_is_what_is_logged_of_them() -> None:
    limits = Limits(idle=Idle(0.5))
    async with running(MCP, startup=up(), health=often(), limits=limits, restart="permanent") as child:
        await eventually(lambda: child.snapshot().generation >= 2, PATIENCE)


def test_only_a_process_with_a_pipe_can_be_asked() -> None:
    message = "a probe over stdio needs a child that is a process, with stdin: pipe"

    async def job() -> None:
        return

    with pytest.raises(SpecError, match=message):
        process("a", ["cat"], health=often())
    with pytest.raises(SpecError, match=message):
        process("a", ["cat"], stdin="pty", health=often())
    with pytest.raises(SpecError, match=message):
        task("a", job, health=often())
    assert process("a", ["cat"], stdin="pty", preset="acp").health is None
    assert remote("a", "wss://x/", preset="acp", health=Health(Unix("/x"))).startup is None
