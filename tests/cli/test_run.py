"""The command `run` as a user meets it: a real supervisor with real agents."""

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import trio

from tests.cli.running import running

pytestmark = pytest.mark.slow
PROGRAMS = Path(__file__).parent.parent / "subjects" / "progs"


def sleeper(name: str = "a") -> str:
    return f"agents: {{{name}: {{command: [sleep, '600']}}}}\n"


async def test_ctrl_c_stops_everything_and_is_a_success(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper()) as it:
        await it.see("ready")
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "all agents are down: 1 stopped" in it.output


async def test_a_container_is_refused_what_only_the_run_knows_to_be_its_own(tmp_path: Path) -> None:
    text = f"""containers: {{deny_mounts: []}}
agents: {{group: {{agents: {{box: {{container: {{image: a, mounts: ['{tmp_path}:/x']}}}}}}}}}}
"""
    async with running(tmp_path, text) as it:
        assert await it.end() == 2

    assert f"group/box: container: mounts: '{tmp_path}' is not allowed: it contains {tmp_path}/state" in it.output
    assert "Traceback" not in it.output


async def test_an_engine_that_does_not_say_whether_containers_are_left_is_no_success(tmp_path: Path) -> None:
    text = f"agents: {{box: {{container: {{image: a, engine: 'unix://{tmp_path}/engine.sock'}}}}}}\n"
    with trio.socket.socket(socket.AF_UNIX) as engine:
        await engine.bind(f"{tmp_path}/engine.sock")
        engine.listen(100)
        async with running(tmp_path, text) as it:
            with trio.fail_after(30):
                asking, _ = await engine.accept()
            asking.close()
            engine.close()
            it.send(signal.SIGINT)

            assert await it.end() == 5
    assert f"could not be killed: containers (unix://{tmp_path}/engine.sock: Connection refused)" in it.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_term_and_hup_stop_as_gracefully_as_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, sleeper()) as it:
        await it.see("ready")
        it.send(number)

        assert await it.end() == 0


async def test_a_second_ctrl_c_cuts_the_grace(tmp_path: Path) -> None:
    yaml = (
        f"agents: {{stubborn: {{command: ['{sys.executable}', '{PROGRAMS}/ignore_term.py'], stop: {{grace: 1h}}}}}}\n"
    )
    async with running(tmp_path, "supervisor: {stop_deadline: 1h}\n" + yaml) as it:
        await it.see("| ready")
        it.send(signal.SIGINT)
        await it.see("ignored 15")
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "SIGKILL" in it.output


async def test_ctrl_c_while_it_is_still_loading_is_not_lost(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper()) as it:
        # HUP, INT, USR1, USR2 and TERM are held back: it has begun, and nothing else of it has.
        while b"SigBlk:\t0000000000004a03" not in Path(f"/proc/{it.process.pid}/status").read_bytes():
            await trio.sleep(0.001)
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "Traceback" not in it.output


async def test_ctrl_c_again_and_again_to_the_very_end_is_a_success(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper()) as it:
        await it.see("ready")
        while it.process.poll() is None:
            it.send(signal.SIGINT)
            await trio.sleep(0.005)

        assert await it.end() == 0


async def test_a_task_that_ignores_its_cancellation_is_told_and_left_behind_by_force(tmp_path: Path) -> None:
    program = "async def work():\n    with trio.CancelScope(shield=True):\n        await trio.sleep_forever()\n"
    (tmp_path / "stubborn.py").write_text(f"import trio\n\n{program}")
    yaml = "agents: {deaf: {task: 'stubborn:work', stop: {grace: 0}}, a: {command: [sleep, '600']}}\n"
    async with running(tmp_path, yaml) as it:
        await it.see("ready", 2)
        it.send(signal.SIGINT)

        assert await it.end() == 5
    assert "cannot be killed" in it.output
    assert "a task that ignores its cancellation" in it.output


async def test_a_task_that_is_interrupted_ends_everything_in_order(tmp_path: Path) -> None:
    (tmp_path / "rude.py").write_text("async def work():\n    raise KeyboardInterrupt\n")
    async with running(tmp_path, "agents: {t: {task: 'rude:work'}, a: {command: [sleep, '600']}}\n") as it:
        assert await it.end() == 130
    assert "a | ● stopped" in it.output


async def test_agents_may_be_named_after_an_option(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: ['true'], restart: temporary}, b: {command: [sleep, '600']}}\n"
    async with running(tmp_path, yaml, "--log-format", "text", "a") as it:
        assert await it.end() == 0
    assert "b |" not in it.output


async def test_ctrl_c_reaches_agents_only_through_the_supervisor(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [bash, -c, 'trap \"echo interrupted\" INT; echo up; sleep 600 & wait; wait']}}\n"
    async with running(tmp_path, yaml, start_new_session=True) as it:
        await it.see("up")
        os.killpg(it.process.pid, signal.SIGINT)

        assert await it.end() == 0
    assert "interrupted" not in it.output


async def test_when_all_have_finished_it_ends_with_success(tmp_path: Path) -> None:
    async with running(tmp_path, "agents: {a: {command: ['true'], restart: temporary}}\n") as it:
        assert await it.end() == 0
    assert "1 finished" in it.output


async def test_when_one_has_failed_it_ends_with_1(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: ['true'], restart: temporary}, b: {command: ['false'], restart: temporary}}\n"
    async with running(tmp_path, yaml) as it:
        assert await it.end() == 1
    assert "1 failed (b)" in it.output


async def test_with_stay_it_goes_on_when_nothing_is_left_to_run(tmp_path: Path) -> None:
    async with running(tmp_path, "agents: {a: {command: ['true'], restart: temporary}}\n", "--stay") as it:
        await it.see("finished")
        await trio.sleep(0.3)
        assert it.process.returncode is None
        it.send(signal.SIGTERM)

        assert await it.end() == 0


async def test_exit_code_from_an_agent_stops_the_others(tmp_path: Path) -> None:
    tests = "{command: [sh, -c, 'sleep 0.2; exit 7'], restart: temporary}"
    yaml = f"agents: {{tests: {tests}, api: {{command: [sleep, '600']}}}}\n"
    async with running(tmp_path, yaml, "--exit-code-from", "tests") as it:
        assert await it.end() == 7


async def test_only_the_named_agents_run_and_what_they_depend_on(tmp_path: Path) -> None:
    yaml = (
        "agents:\n  db: {command: [sleep, '600']}\n  api: {command: [sleep, '600'], depends_on: {db: ready}}\n"
        "  other: {command: [sleep, '600']}\n"
    )
    async with running(tmp_path, yaml, "api") as it:
        await it.see("ready", 2)
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "other" not in it.output


async def test_an_unknown_agent_is_exit_code_4(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper("researcher"), "resarcher") as it:
        assert await it.end() == 4
    assert "researcher" in it.output


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("", "no such file"),
        ("agents: {a: {comand: [x]}}\n", "did you mean 'command'"),
        ("agents: [a\n", "supervisor.yaml:"),
        ("agents: {a: {command: [x], depends_on: {b: ready}}}\n", "'b'"),
    ],
)
async def test_a_bad_file_is_exit_code_2_and_a_message(tmp_path: Path, yaml: str, words: str) -> None:
    async with running(tmp_path, yaml) as it:
        assert await it.end() == 2
    assert words in it.output
    assert "Traceback" not in it.output


async def test_a_missing_program_is_held_with_its_reason_after_the_limit(tmp_path: Path) -> None:
    yaml = "supervisor: {intensity: {restarts: 1, within: 60s}}\nagents: {a: {command: [no-such-program-here]}}\n"
    async with running(tmp_path, yaml) as it:
        assert await it.end() == 1
    assert "'no-such-program-here' not found on PATH" in it.output
    assert "held: restart limit" in it.output


async def test_a_program_without_permission_says_so(tmp_path: Path) -> None:
    (tmp_path / "agent").write_text("#!/bin/sh\n")
    async with running(tmp_path, "agents: {a: {command: [./agent], restart: temporary}}\n") as it:
        assert await it.end() == 1
    assert "permission" in it.output.lower()


async def test_a_stranger_on_the_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        yaml = f"agents: {{a: {{command: [sleep, '600'], port: {port}, restart: temporary}}}}\n"
        async with running(tmp_path, yaml) as it:
            assert await it.end() == 1
    assert f"port {port} is taken by pid {os.getpid()}" in it.output


async def test_a_stranger_that_answers_on_the_agent_s_port_does_not_make_it_ready(tmp_path: Path) -> None:
    probe = "readiness: {tcp: '{port}', deadline: 1s}"
    yaml = f"agents: {{a: {{command: [sleep, '600'], port: 19092, restart: temporary, {probe}}}}}\n"
    async with running(tmp_path, yaml) as it:
        await it.see("not ready yet")
        # The reservation keeps out who binds without SO_REUSEADDR; this one sets it, as most servers do.
        with socket.create_server(("127.0.0.1", 19092)):
            assert await it.end() == 1
    assert f"port 19092 is answered by a stranger: pid {os.getpid()}" in it.output
    assert "ready after" not in it.output


async def test_a_child_that_exits_at_once_for_ever_is_held_and_burns_no_time(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: ['false'], backoff: {initial: 50ms, max: 100ms}}}\n"
    async with running(tmp_path, yaml, "--stay") as it:
        await it.see("held: restart limit")
        before = _cpu_seconds(it.process.pid)
        await trio.sleep(1)
        assert _cpu_seconds(it.process.pid) - before < 0.03
        it.send(signal.SIGINT)
        assert await it.end() == 0
    assert it.output.count("exit code 1") >= 6


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_flood_and_a_closed_stdout_harm_nobody_else(tmp_path: Path) -> None:
    yaml = (
        f"agents:\n  flood: {{command: ['{sys.executable}', '{PROGRAMS}/flood.py']}}\n"
        "  mute: {command: [sh, -c, 'exec >&- 2>&-; exec sleep 600']}\n"
        "  clock: {command: [sh, -c, 'while sleep 0.1; do echo tick; done']}\n"
    )
    async with running(tmp_path, yaml) as it:
        await it.see("clock | tick", 5)
        it.send(signal.SIGINT)

        assert await it.end() == 0


async def test_nobody_reads_the_output_and_the_agents_run_on(tmp_path: Path) -> None:
    yaml = f"agents: {{flood: {{command: ['{sys.executable}', '{PROGRAMS}/flood.py', '64'], restart: temporary}}}}\n"
    read_end, write_end = os.pipe()
    try:
        async with running(tmp_path, yaml, stdout=write_end) as it:
            os.close(write_end)
            # Never read: the flood of 64 MiB can only end because it is drained all the same.
            assert await it.end() == 0
    finally:
        os.close(read_end)


async def test_a_closed_pipe_does_not_end_it(tmp_path: Path) -> None:
    yaml = (
        "agents: {clock: {command: [sh, -c, 'for i in 1 2 3 4 5; do echo $i; sleep 0.1; done'], restart: temporary}}\n"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    async with running(tmp_path, yaml, stdout=write_end, stderr=subprocess.DEVNULL) as it:
        os.close(write_end)
        assert await it.end() == 0


async def test_a_closed_terminal_stops_it_cleanly(tmp_path: Path) -> None:
    """The terminal goes away: SIGHUP comes, and every write fails with EIO."""
    master, slave = pty.openpty()
    yaml = "agents: {clock: {command: [sh, -c, 'while sleep 0.05; do echo tick; done']}}\n"
    async with running(
        tmp_path, yaml, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=lambda: _take_terminal(slave)
    ) as it:
        os.close(slave)
        seen = b""
        while b"tick" not in seen:
            await trio.lowlevel.wait_readable(master)
            seen += os.read(master, 4096)
        os.close(master)

        assert await it.end() == 0


def _take_terminal(slave: int) -> None:
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


async def test_under_nohup_a_closed_terminal_does_not_stop_it(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper(), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as it:
        await it.see("ready")
        it.send(signal.SIGHUP)
        it.send(signal.SIGUSR2)
        await it.see("main")
        assert it.process.returncode is None
        it.send(signal.SIGTERM)

        assert await it.end() == 0
    assert "SIGHUP" not in it.output


async def test_usr1_does_not_end_it_and_usr2_shows_the_tasks(tmp_path: Path) -> None:
    async with running(tmp_path, sleeper("idler")) as it:
        await it.see("ready")
        it.send(signal.SIGUSR1)
        it.send(signal.SIGUSR2)
        await it.see("idler #1  at trio_supervisor.runtimes.process")
        it.send(signal.SIGINT)

        assert await it.end() == 0


async def test_json_is_one_object_per_line(tmp_path: Path) -> None:
    program = "import sys; print('said: \"x\"'); print('oops', file=sys.stderr)"
    yaml = f"agents:\n  a:\n    command: ['{sys.executable}', -c, {json.dumps(program)}]\n    restart: temporary\n"
    async with running(tmp_path, yaml, "--log-format", "json") as it:
        assert await it.end() == 0
    records = [json.loads(line) for line in it.output.splitlines()]
    said = {(record["stream"], record["text"]) for record in records if record["agent"] == "a"}
    assert {("stdout", 'said: "x"'), ("stderr", "oops")} <= said
    assert all(record["ts"].endswith("Z") for record in records)
    assert "finished" in {record.get("state") for record in records}


async def test_children_do_not_inherit_a_signal_mask_or_our_descriptors(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [sh, -c, 'grep SigBlk /proc/self/status; ls /proc/self/fd'], restart: temporary}}\n"
    async with running(tmp_path, yaml) as it:
        assert await it.end() == 0
    assert "SigBlk:\t0000000000000000" in it.output
    # 3 is the directory that ls reads.
    assert [line.split("| ")[1] for line in it.output.splitlines() if line[-1:].isdigit() and "Sig" not in line][
        :5
    ] == [
        "0",
        "1",
        "2",
        "3",
    ]


async def test_what_agents_say_is_in_their_files_and_usr1_opens_them_anew(tmp_path: Path) -> None:
    yaml = (
        "agents:\n"
        "  a:\n"
        f"    command: ['{sys.executable}', -u, -c, 'import time; [(print(n), time.sleep(0.02)) for n in range(9999)]']"
        "\n    log: [{file: 'logs/{id}.log', console: false}, {keep: 2}]\n"
    )
    log = tmp_path / "logs" / "a.log"

    async with running(tmp_path, yaml) as supervisor:
        await supervisor.see("ready")
        with trio.fail_after(30):
            while not log.exists():
                await trio.sleep(0.02)
            log.rename(tmp_path / "moved")
            supervisor.send(signal.SIGUSR1)
            while not log.exists():
                await trio.sleep(0.02)
        supervisor.send(signal.SIGTERM)
        assert await supervisor.end() == 0

    said = (tmp_path / "moved").read_text() + log.read_text()
    numbers = [int(line.rpartition(" ")[2]) for line in said.splitlines() if " | " in line]
    assert numbers == list(range(len(numbers)))
    assert "a | 0" not in supervisor.output
    assert " a | 0\n" in (tmp_path / "state" / "logs" / "a.log").read_text()


async def test_a_server_that_binds_without_sharing_gets_its_port_whatever_its_restart_type(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(
        "import os, socket\n"
        "server = socket.socket()\n"
        "server.bind(('127.0.0.1', int(os.environ['AGENT_PORT'])))\n"
        "print('it is mine', flush=True)\n"
    )
    text = f"agents: {{a: {{command: [{sys.executable}, server.py], port: auto, restart: temporary}}}}\n"
    async with running(tmp_path, text) as it:
        assert await it.end() == 0

    assert "is kept for it by this supervisor, and held by nobody else" in it.output
    assert "; starting again" in it.output
    assert it.output.count("it is mine") == 1
