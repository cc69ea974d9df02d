"""What an HTTP agent process manager ("A"), one of the four systems that this project starts from, does to start and
stop agents, and its faults there: numbers as in its description. Its health checks are in tests/engine.
"""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import trio

from tests.cli.running import running
from tests.runtimes.process_helpers import eventually, free_ports, is_alive, python
from trio_supervisor import (
    CallError,
    ChildStartError,
    Handle,
    How,
    Log,
    Port,
    Readiness,
    SignalStep,
    SpecError,
    State,
    Stream,
    Supervisor,
    process,
)
from trio_supervisor.config.load import load
from trio_supervisor.errors import ConfigError, UnknownAgentError
from trio_supervisor.spec import DEFAULT_PORT_RANGE

PATIENCE = 30.0
SLEEPER = ["sleep", "600"]
DEAF = python("import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)")


def said(child: Handle) -> list[str]:
    return [line.text for line in child.output() if line.stream is not Stream.SUPERVISOR]


async def seen(child: Handle, *lines: str) -> None:
    """Wait until it has said these."""
    await eventually(lambda: set(lines) <= set(said(child)), PATIENCE)


# Ports


def test_a_1_ports_are_of_19001_to_19100() -> None:
    assert DEFAULT_PORT_RANGE == (19001, 19100)
    assert process("a", SLEEPER, port="auto").port == Port(19001, 19100)


async def test_a_4_w1_w2_and_w6_children_that_start_together_have_ports_of_their_own_while_they_are_there() -> None:
    """A-W1: the port is given up before the child binds it. A-W2: two callers get the same one. A-W6: so do two spawns
    of one agent, the second of which nobody owns.
    """
    first = free_ports(4)
    ports = f"{first.first}-{first.last}"
    children = [process(f"a{n}", SLEEPER, port=ports, stop="kill") for n in range(4)]
    async with Supervisor(*children) as tree:
        with trio.fail_after(PATIENCE):
            for child in children:
                await tree[child.id].wait_ready()
            assert {each.port for each in tree.snapshot()} == set(range(first.first, first.last + 1))
            with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
                stranger.bind(("127.0.0.1", first.first))
            with pytest.raises(CallError):
                await tree.start_child(children[0])
            await tree["a0"].start()
            assert tree["a0"].snapshot().generation == 1, "it runs already"


async def test_a_5_it_can_be_asked_who_is_there_how_many_and_on_which_ports_and_one_can_be_taken_out() -> None:
    free = free_ports(2)
    one, two = (process(name, SLEEPER, port=port, stop="kill") for name, port in (("a", free.first), ("b", free.last)))
    async with Supervisor(one, two) as tree:
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            await tree["b"].wait_ready()
            assert [each.agent for each in tree.snapshot()] == ["a", "b"]
            assert {each.port for each in tree.snapshot()} == {free.first, free.last}
            assert (await tree.count_children()).active == 2
            pid = tree["a"].snapshot().pid

            await tree["a"].remove()

            assert pid is not None
            assert not is_alive(pid)
            assert [each.agent for each in tree.snapshot()] == ["b"]
            with pytest.raises(UnknownAgentError, match="no child 'a'"):
                tree["a"]
            with socket.socket() as again:
                again.bind(("127.0.0.1", free.first))


async def test_a_w3_and_w4_the_last_free_port_is_found_and_none_is_0() -> None:
    """A-W3: the turn of the cursor burns a try. A-W4: a range that ends at 65535 leads to port 0."""
    free = free_ports(3)
    ports = f"{free.first}-{free.last}"
    with socket.create_server(("127.0.0.1", free.first)), socket.create_server(("127.0.0.1", free.first + 1)):
        async with Supervisor(process("a", SLEEPER, port=ports, stop="kill")) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
            assert tree["a"].snapshot().port == free.last
    async with Supervisor(*[process(f"a{n}", SLEEPER, port="65530-65535", stop="kill") for n in range(2)]) as tree:
        with trio.fail_after(PATIENCE):
            for name in ("a0", "a1"):
                await tree[name].wait_ready()
        assert all(65530 <= (each.port or 0) <= 65535 for each in tree.snapshot())
    for wrong in ("0", "9-8", "1-65536"):
        with pytest.raises(SpecError):
            process("a", SLEEPER, port=wrong)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
async def test_a_w5_a_service_on_any_address_is_seen(family: socket.AddressFamily, address: str) -> None:
    """A-W5: only 127.0.0.1 is tried."""
    free = free_ports(2)
    with socket.create_server((address, free.first), family=family):
        child = process("a", SLEEPER, port=f"{free.first}-{free.last}", stop="kill")
        async with Supervisor(child) as tree:
            with trio.fail_after(PATIENCE):
                await tree["a"].wait_ready()
            assert tree["a"].snapshot().port == free.last


# Births


async def test_a_2_6_and_7_it_gets_its_name_and_port_and_what_is_written_for_it() -> None:
    """A 6: AGENT_PORT, AGENT_ID, then the custom environment, in an inherited one. Here it has a cwd too."""
    names = "os.environ['AGENT_ID'], os.environ['AGENT_PORT'], os.environ['MODEL'], os.getcwd()"
    code = f"import os, time; print({names}, flush=True); time.sleep(600)"
    child = process("a", python(code), port="auto", env={"MODEL": "x"}, cwd="/")
    async with Supervisor(child, stop_deadline=5) as tree:
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            await seen(tree["a"], f"a {tree['a'].snapshot().port} x /")


async def test_a_w23_all_start_together_and_are_awaited(tmp_path: Path) -> None:
    """A-W23: they start one after the other, and nobody waits until they are ready. Here none could ever be, alone."""
    code = f"""
import os, sys, time
open(os.path.join({str(tmp_path)!r}, os.environ["AGENT_ID"]), "w").close()
while len(os.listdir({str(tmp_path)!r})) < 5: time.sleep(0.01)
print("up", flush=True)
time.sleep(600)
"""
    children = [process(f"a{n}", python(code), readiness=Readiness(Log("up")), stop="kill") for n in range(5)]
    async with Supervisor(*children) as tree:
        with trio.fail_after(PATIENCE):
            for child in children:
                await tree[child.id].wait_ready()


async def test_a_7_a_program_that_is_not_there_is_named() -> None:
    async with Supervisor() as tree:
        with pytest.raises(ChildStartError, match=r"a: .*no-such-agent"):
            await tree.start_child(process("a", ["./no-such-agent"], restart="temporary"))


async def test_a_w7_what_it_says_is_read_and_kept() -> None:
    """A-W7: the pipes are never read: the child blocks after 64 KiB."""
    child = process("a", python("print('x' * 1_000_000); print('done', flush=True)"), restart="temporary")
    async with Supervisor(child) as tree:
        with trio.fail_after(PATIENCE):
            assert (await tree["a"].wait_exit()).code == 0
            await seen(tree["a"], "done")


async def test_a_w9_an_end_is_noticed_at_once_with_code_and_signal() -> None:
    """A-W9: nobody waits for the child; it is found dead by HTTP 90 s later, and its exit code is thrown away."""
    children = (
        process("code", ["sh", "-c", "exit 7"], restart="temporary"),
        process("signal", ["sh", "-c", "kill -SEGV $$"], restart="temporary"),
    )
    async with Supervisor(*children) as tree:
        with trio.fail_after(PATIENCE):
            assert (await tree["code"].wait_exit()).code == 7
            end = await tree["signal"].wait_exit()
    assert (end.how, end.signal) == (How.SIGNALED, signal.SIGSEGV)


# Stops


async def test_a_9_w11_w12_and_w13_a_stop_asks_then_kills_the_whole_tree_and_may_be_repeated(tmp_path: Path) -> None:
    """A 9: TERM, the drain time, KILL. A-W8: grandchildren survive. A-W11: everybody waits for the lock of a stop.
    A-W12: the port is free while the process is there. A-W13: a second stop is an error.
    """
    code = f"""
import os, signal, subprocess, time
signal.signal(15, signal.SIG_IGN)
one = subprocess.Popen(["sleep", "600"], start_new_session=True)
open({str(tmp_path / "pid")!r}, "w").write(str(one.pid))
print("up", flush=True)
time.sleep(600)
"""
    port = free_ports().first
    stubborn = process("a", python(code), port=port, stop=(SignalStep(wait=0.5),))
    async with Supervisor(stubborn, process("b", SLEEPER, stop="kill")) as tree:
        with trio.fail_after(PATIENCE):
            await seen(tree["a"], "up")
            pids = [tree["a"].snapshot().pid or 0, int((tmp_path / "pid").read_text())]
            begun = time.monotonic()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tree["a"].stop)
                nursery.start_soon(tree["a"].stop)
                # Nobody else waits for it.
                await tree["b"].restart()
                assert tree["a"].state is State.STOPPING
            assert time.monotonic() - begun >= 0.5, "answered after the effect, not before"
            assert not [pid for pid in pids if is_alive(pid)]
            assert tree["a"].state is State.STOPPED
            await tree["a"].stop()


async def test_a_w21_start_and_stop_are_answered_when_they_are_true() -> None:
    """A-W21: the control panel's stop only changes a word, and its start starts nothing."""
    async with Supervisor(process("a", SLEEPER)) as tree:
        with trio.fail_after(PATIENCE):
            await tree["a"].wait_ready()
            pid = tree["a"].snapshot().pid or 0
            await tree["a"].stop()
            assert not is_alive(pid)
            await tree["a"].start()
            await tree["a"].wait_ready()
            assert is_alive(tree["a"].snapshot().pid or 0)


# The whole


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_w24_every_signal_stops_all_together(tmp_path: Path, number: signal.Signals) -> None:
    """A-W24: one after the other, 5 s each; those in an error are left; SIGTERM is not handled at all."""
    deaf = "[sh, -c, 'trap \"\" TERM; echo up; sleep 600; sleep 600']"
    agents = "\n".join(f"  a{n}: {{command: {deaf}, stop: {{grace: 1s}}}}" for n in range(6))
    bad = "  bad: {command: [sh, -c, 'exit 78']}"
    async with running(tmp_path, f"agents:\n{agents}\n{bad}\n") as it:
        await it.see("| up", 6)
        await it.see("held: exit code 78")
        begun = time.monotonic()
        it.send(number)
        assert await it.end() == 0
    assert time.monotonic() - begun < 5.5, "six times the grace would be more"


@pytest.mark.slow
async def test_a_w8_w22_and_w26_after_a_kill_nothing_is_left_and_all_begins_again(tmp_path: Path) -> None:
    """A-W8: a crash leaves orphans that hold ports. A-W22: an agent is shown as running, has no process and is never
    started. A-W26: whoever holds the port is killed with `kill -9`.
    """
    port = free_ports().first
    serve = f"s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(600)"
    (tmp_path / "serve.py").write_text(f"import socket, time; {serve}")
    yaml = f"agents: {{a: {{command: [{python('')[0]}, serve.py], port: {port}}}}}\n"
    async with running(tmp_path, yaml) as first:
        await first.see("| up")
        first.send(signal.SIGKILL)
        await first.process.wait()
    async with running(tmp_path, "") as second:
        await second.see("| up")
        second.send(signal.SIGINT)
        assert await second.end() == 0
    with socket.create_server(("127.0.0.1", port)):
        async with running(tmp_path, "") as third:
            await third.see(f"pid {os.getpid()}")
            third.send(signal.SIGINT)
            assert await third.end() == 0
    assert is_alive(os.getpid()), "the holder is named, not killed"


def test_a_w25_one_bad_file_changes_nothing_and_says_all_that_is_wrong(tmp_path: Path) -> None:
    """A-W25: one bad file of the registry keeps all others from being loaded, and files are written in place."""
    (tmp_path / "supervisor.yaml").write_text("agents: {a: {command: [x], port: 0}, b: {comand: [y]}}\n")

    with pytest.raises(ConfigError) as error:
        load(tmp_path / "supervisor.yaml", environ={})

    assert "port" in str(error.value)
    assert "comand" in str(error.value)
