"""Real interactive programs are driven by `expect`, each over a pipe and over a terminal."""

import shutil
import sys

import pytest

from tests.sessions.talking import serving
from trio_supervisor import EOF, Readiness, Stream, Tcp, process

BOTH = pytest.mark.parametrize("stdin", ["pipe", "pty"])
PLAIN = {"TERM": "dumb", "INPUTRC": "/dev/null"}
"""No colours, no bracketed paste."""
ANSWERS = [Stream.STDOUT]
"""Over pipes a shell and Python say their prompts on standard error, and nobody knows in which order both are read."""


@BOTH
async def test_bash(stdin: str) -> None:
    async with serving() as (_, sessions):
        shell = await sessions.start("me", ["bash", "--norc", "-i"], stdin=stdin, env={**PLAIN, "PS1": "ready> "})
        await shell.expect("ready> ")
        await shell.write("echo $((6 * 7))\n")
        await shell.expect(rb"(?m)^42\r?\n", streams=ANSWERS)
        await shell.write("printf 'Password: '; read -s word; echo; echo ${#word} letters\n")
        await shell.expect(r"(?<!')Password: ", streams=ANSWERS)
        await shell.write("secret\n")
        await shell.expect(r"(?m)^(\d) letters", streams=ANSWERS)
        await shell.write("tr a-z A-Z <<END\none\ntwo\nEND\n")
        await shell.expect(r"ONE\r?\nTWO\r?\n", streams=ANSWERS)
        await shell.write("exit 7\n")
        end = await shell.expect(EOF)

    assert end.exit is not None
    assert end.exit.code == 7
    assert b"secret" not in end.before


@BOTH
async def test_python(stdin: str) -> None:
    async with serving() as (_, sessions):
        python = await sessions.start("me", [sys.executable, "-i", "-q"], stdin=stdin, env=PLAIN)
        await python.expect(">>> ")
        await python.write("for n in range(3):\n    print(n * n)\n\n")
        await python.expect(r"0\r?\n1\r?\n4\r?\n", streams=ANSWERS)
        await python.write("1 / 0\n")
        await python.expect("ZeroDivisionError: division by zero")
        await python.write("input('Password: ')\n")
        await python.expect("(?<!')Password: ", streams=ANSWERS)
        await python.write("hunter2\n")
        await python.expect("'hunter2'", streams=ANSWERS)
        if stdin == "pty":
            # A key that is typed while nobody reads keys is another one: as at any terminal.
            await python.expect(">>> ")
        await python.close_stdin()
        end = await python.expect(EOF)

    assert end.exit is not None
    assert end.exit.code == 0


@BOTH
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_node(stdin: str) -> None:
    async with serving() as (_, sessions):
        node = await sessions.start("me", ["node", "-i"], stdin=stdin, env={**PLAIN, "NODE_REPL_HISTORY": ""})
        await node.expect("> ")
        await node.write("[1, 2, 3].map(n => n * 7)\n")
        await node.expect(r"\[ 7, 14, 21 \]\r?\n")
        await node.write("nope()\n")
        await node.expect("ReferenceError: nope is not defined")
        await node.write("process.exit(3)\n")
        end = await node.expect(EOF)

    assert end.exit is not None
    assert end.exit.code == 3


@BOTH
@pytest.mark.subjects
async def test_redis_cli(stdin: str) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    command = ["redis-server", "--port", "{port}", "--save", "", "--dir", "/"]
    async with serving() as (tree, sessions):
        server = await tree.start_child(process("redis", command, port="auto", readiness=Readiness(Tcp("{port}"))))
        await server.wait_ready()
        port = str(server.snapshot().port)
        redis = await sessions.start("me", ["redis-cli", "-p", port], stdin=stdin, env=PLAIN)
        if stdin == "pty":
            await redis.expect(rf"127\.0\.0\.1:{port}> ")
        await redis.write("SET greeting hello\n")
        await redis.expect(r"(?m)(^|> )OK\r?\n")
        await redis.write("INCRBY n 42\n")
        await redis.expect(r"(?m)(^|\(integer\) )42\r?\n")
        await redis.write("GET greeting\n")
        await redis.expect(r'(?m)(^|")hello"?\r?\n')
        if stdin == "pty":
            await redis.expect("> ")
        await redis.close_stdin()
        end = await redis.expect(EOF)

    assert end.exit is not None
    assert end.exit.code == 0
