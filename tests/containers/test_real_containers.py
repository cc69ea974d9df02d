"""What only a real engine can show: what a container may do, what it says, and what a restart of the engine does."""

import os
import signal
from pathlib import Path

import pytest
import trio

from tests.containers.helpers import BOUND, ended, eventually, life_of, live, real_spec, runtime_of
from tests.containers.real_engines import RealEngine
from tests.runtimes.contract import Heard
from tests.runtimes.process_helpers import free_ports
from trio_supervisor.core.exits import Exit, How
from trio_supervisor.errors import SpecError, StartError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.runtimes.container import ContainerLife
from trio_supervisor.spec import CloseStdinStep, ContainerPolicy, Limits, Pull, SignalStep, Stdin
from trio_supervisor.system.procfs import process

pytestmark = pytest.mark.containers


async def said_by(engine: RealEngine, script: str, **more: object) -> bytes:
    """What a script says in a container."""
    life, heard = life_of(real_spec(engine.address, "sh", "-c", script, **more))
    await live(life)
    return heard.said()


# What is kept from it


async def test_by_default_it_has_no_capability_no_new_privilege_and_no_network(real: RealEngine) -> None:
    said = (await said_by(real, "cat /proc/self/status; ls /sys/class/net; ulimit -a")).decode()
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)

    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert [line for line in said.splitlines() if line in ("lo", "eth0")] == ["lo"]


async def test_it_has_no_more_processes_than_it_may(real: RealEngine) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all"
    life, heard = life_of(real_spec(real.address, "sh", "-c", script, pids=5))

    assert not (await live(life)).clean

    assert b"can't fork" in heard.said(Stream.STDERR)


async def test_what_can_not_be_written_and_what_can(real: RealEngine, tmp_path: Path) -> None:
    script = "echo x > /x; echo y > /tmp/y && cat /tmp/y; echo z > /place/z; echo w > /fixed/w; id -u"
    (tmp_path / "fixed").mkdir()
    mounts = (f"{tmp_path}:/place", f"{tmp_path}/fixed:/fixed:ro")
    life, heard = life_of(
        real_spec(
            real.address, "sh", "-c", script, read_only=True, tmpfs=("/tmp:size=1m",), mounts=mounts, user=os.getuid()
        )
    )

    await live(life)

    assert heard.said() == b"y\n%d\n" % os.getuid()
    assert heard.said(Stream.STDERR).count(b"Read-only file system") == 2
    assert (tmp_path / "z").read_text() == "z\n"


async def test_too_much_memory_ends_it_and_the_exit_says_so(real: RealEngine) -> None:
    script = "x=xxxxxxxxxxxxxxxx; while true; do x=$x$x; done"
    life, _ = life_of(real_spec(real.address, "sh", "-c", script, memory=16 << 20))

    exit = await live(life)

    assert exit.how is How.OUT_OF_MEMORY
    assert exit.code == 137
    assert "its limit of 16M" in exit.detail
    # Podman's conmon notes it by a file in the directory that the engine was started in.
    assert not Path("oom").exists()


async def test_a_kill_that_was_asked_for_is_no_lack_of_memory(real: RealEngine) -> None:
    life, _ = life_of(real_spec(real.address, "sleep", "300", memory=64 << 20))
    with trio.fail_after(BOUND):
        await life.start()
        await life.signal(signal.SIGKILL)
        exit = await life.wait()

    assert exit == Exit(How.SIGNALED, code=137, signal=9)


async def test_limits_of_its_processes_are_those_of_the_spec(real: RealEngine) -> None:
    # Podman tries to lift nproc where limits are given without it, which this machine may not allow.
    limits = Limits(rlimits={"nofile": 321, "core": 0, "fsize": 1 << 30, "nproc": 9000})

    said = await said_by(real, "ulimit -n; ulimit -Hn; ulimit -c; ulimit -f", limits=limits)

    # The shell counts blocks of 512 bytes.
    assert said.split() == [b"321", b"321", b"0", b"%d" % (1 << 21)]


async def test_a_limit_that_nobody_here_can_set_is_a_failed_start_that_names_it(real: RealEngine) -> None:
    limits = Limits(rlimits={"nofile": 1 << 30})
    life, _ = life_of(real_spec(real.address, "true", limits=limits))

    with trio.fail_after(BOUND), pytest.raises(StartError, match=r"(?i)rlimit|operation not permitted"):
        await life.start()

    await eventually(lambda: not real.containers())


async def test_what_it_uses_is_measured(real: RealEngine) -> None:
    life, heard = life_of(real_spec(real.address, "sh", "-c", "sleep 300 & echo up; while true; do :; done"))
    with trio.fail_after(BOUND):
        await life.start()
        await heard.wait_said(b"up")
        while (used := await life.usage()) is None or used.cpu_seconds < 0.1:
            await trio.sleep(0.02)
    await ended(life)

    assert used.processes == 2
    assert 50_000 < used.memory_bytes < 50_000_000
    assert await life.usage() is None


# What it says and hears


async def test_what_it_is_told_of_itself(real: RealEngine) -> None:
    said = await said_by(real, "env; pwd", env={"MODEL": "small-{id}"}, cwd="/tmp")

    assert {b"AGENT_ID=agent", b"AGENT_GENERATION=1", b"MODEL=small-agent", b"/tmp"} <= set(said.splitlines())
    assert os.environ["PATH"].encode() not in said


async def test_a_pipe_is_read_to_its_end(real: RealEngine) -> None:
    life, heard = life_of(real_spec(real.address, "cat", stdin=Stdin.PIPE))
    with trio.fail_after(BOUND):
        await life.start()
        assert life.input is not None
        await life.input.write(b"x" * 200_000)
        await life.ask(CloseStdinStep(wait=5))
        exit = await life.wait()

    assert exit.clean
    assert heard.said() == b"x" * 200_000


async def test_a_terminal_shows_prompts_and_takes_keys(real: RealEngine) -> None:
    sized = "while [ \"$(stty size)\" != '30 100' ]; do sleep 0.05; done; echo sized"
    # A shell that gets the signal while it begins a command runs its trap at the end of that: none may take long.
    idle = "while :; do sleep 0.1; done"
    script = f"trap 'exit 9' INT; printf 'name? '; read name; echo hello $name; {sized}; {idle}"
    life, heard = life_of(real_spec(real.address, "sh", "-c", script, stdin=Stdin.PTY))
    with trio.fail_after(BOUND):
        await life.start()
        await heard.wait_said(b"name? ")
        assert life.input is not None
        life.input.resize(100, 30)
        await life.input.write(b"you\r")
        await heard.wait_said(b"hello you")
        await heard.wait_said(b"sized")
        await life.signal(signal.SIGINT)
        exit = await life.wait()

    assert exit.code == 9
    assert heard.ends()[Stream.STDOUT] == 1


async def test_very_much_is_heard_whole(real: RealEngine) -> None:
    life, heard = life_of(real_spec(real.address, "sh", "-c", "yes 0123456789abcde | head -n 200000"))

    await live(life)

    assert heard.said() == b"0123456789abcde\n" * 200_000


async def test_a_command_runs_in_it_and_nothing_of_it_is_left(real: RealEngine) -> None:
    life, _ = life_of(real_spec(real.address, "sleep", "300"))
    with trio.fail_after(BOUND):
        await life.start()
        good = await life.run(("sh", "-c", "echo $AGENT_ID; exit 4"), 5)
        late = await life.run(("sh", "-c", "echo late; sleep 299"), 0.3)
        left = await life.run(("sh", "-c", "ps | grep -v grep | grep -c 'sleep 299'"), 5)
    await ended(life)

    assert (good.code, good.output) == (4, b"agent\n")
    assert (late.code, late.output) == (None, b"late\n")
    assert left.output == b"0\n"


async def test_health_is_what_the_engine_says(docker: RealEngine) -> None:
    # Podman asks only where systemd does it for it.
    check = {"Test": ["CMD", "test", "-f", "/ok"], "Interval": 10**9, "Retries": 1}
    docker.call("POST", "/commit?repo=localhost/healthy&tag=1&container=" + _made(docker, check)).raise_for_status()
    spec = real_spec(docker.address, "sh", "-c", "touch /ok; sleep 2; rm /ok; sleep 300")
    life, _ = life_of(type(spec)("localhost/healthy:1", spec.command, engine=docker.address))
    seen: list[str] = []
    with trio.fail_after(BOUND):
        await life.start()
        while not seen or seen[-1] != "unhealthy":
            status, _detail = await life.engine_health()
            seen += [status] if status not in seen else []
            await trio.sleep(0.05)
    await ended(life)

    assert seen == ["starting", "healthy", "unhealthy"]


def _made(engine: RealEngine, check: object) -> str:
    body = {"Image": "localhost/bb:1", "Cmd": ["true"], "Healthcheck": check, "HostConfig": {"NetworkMode": "none"}}
    id = engine.call("POST", "/containers/create", body).json()["Id"]
    assert isinstance(id, str)
    return id


# Ports


async def test_its_port_is_the_one_that_is_kept_for_it(real: RealEngine) -> None:
    if not real.publishes:
        pytest.skip("containers: without ip(8), Docker of these tests has no network")
    spec = real_spec(
        real.address, "sh", "-c", "mkdir /tmp/www; echo here > /tmp/www/x; exec httpd -f -p 8080 -h /tmp/www"
    )
    spec = type(spec)(spec.image, spec.command, engine=spec.engine, ports=("{port}:8080",))
    runtime = runtime_of(spec, port=free_ports(20))
    life = runtime.life(Heard().launch())
    try:
        with trio.fail_after(BOUND):
            await life.start()
            assert runtime.port is not None
            await eventually(lambda: _get(runtime.port))
        await ended(life)
    finally:
        runtime.close()


async def _get(port: int | None) -> bool:
    assert port is not None
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /x HTTP/1.0\r\n\r\n")
            received = b""
            while chunk := await stream.receive_some():
                received += chunk
    except OSError:
        return False
    return received.endswith(b"here\n")


# Faults


@pytest.mark.parametrize("command", ["no-such-program", "/etc"])
async def test_a_start_that_fails_after_it_was_made_leaves_nothing(real: RealEngine, command: str) -> None:
    life, _ = life_of(real_spec(real.address, command))

    with trio.fail_after(BOUND), pytest.raises(StartError, match=command):
        await life.start()

    # Where the engine takes very long for it, it is removed while others go on.
    await eventually(lambda: not real.containers())


async def test_an_image_that_is_not_there_is_a_failed_start(real: RealEngine) -> None:
    spec = real_spec(real.address)
    life, _ = life_of(type(spec)("localhost/none:1", engine=real.address, pull=Pull.NEVER))

    with trio.fail_after(BOUND), pytest.raises(StartError, match="localhost/none:1"):
        await life.start()


async def test_what_ignores_term_is_killed_and_gone(real: RealEngine) -> None:
    script = "trap '' TERM; echo up; while true; do sleep 1; done"
    life, heard = life_of(real_spec(real.address, "sh", "-c", script))
    with trio.fail_after(BOUND):
        await life.start()
        await heard.wait_said(b"up")
        await life.ask(SignalStep(wait=1))
        await trio.sleep(0.2)
        assert real.containers(all=False)

    exit = await ended(life)

    assert (exit.how, exit.signal) == (How.SIGNALED, 9)
    assert real.containers() == []


async def test_twenty_are_started_and_ended_together(real: RealEngine) -> None:
    async def one(number: int) -> None:
        heard = Heard()
        life, _ = life_of(real_spec(real.address, "sleep", "300"), launch=heard.launch(f"agent-{number}"))
        await life.start()
        lives.append(life)
        all_heard.append(heard)

    all_heard: list[Heard] = []
    lives: list[ContainerLife] = []
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)
        async with trio.open_nursery() as nursery:
            for life in lives:
                life.kill()
                nursery.start_soon(life.wait)

    assert [heard.said(Stream.SUPERVISOR) for heard in all_heard] == [b""] * 20
    assert real.containers() == []


async def test_a_restart_of_the_engine_is_no_end_of_a_container(real: RealEngine) -> None:
    """Podman's containers outlive its service, those of Docker its daemon with `live-restore`."""
    script = "n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.02; done"
    life, heard = life_of(real_spec(real.address, "sh", "-c", script))
    ends: list[object] = []

    async def wait() -> None:
        ends.append(await life.wait())

    with trio.fail_after(60):
        await life.start()
        await heard.wait_said(b"tick 2\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            for _ in range(2):
                await trio.to_thread.run_sync(real.stop)
                await trio.to_thread.run_sync(real.start)
                await heard.wait_lines(heard.said().count(b"\n") + 50)
            assert ends == []
            life.kill()

    assert len(ends) == 1
    assert real.containers() == []
    lines = heard.said().splitlines()
    assert lines == [b"tick %d" % number for number in range(1, len(lines) + 1)]
    assert b"the connection to its engine broke off" in heard.said(Stream.SUPERVISOR)


async def test_the_last_words_while_the_engine_is_away_are_heard_afterwards(podman: RealEngine, tmp_path: Path) -> None:
    """Docker itself loses them: its daemon alone writes the log."""
    script = "echo begin; while ! test -e /place/go; do sleep 0.05; done; echo LAST; echo WORDS >&2; exit 9"
    life, heard = life_of(real_spec(podman.address, "sh", "-c", script, mounts=(f"{tmp_path}:/place",)))
    ends: list[Exit] = []

    async def wait() -> None:
        ends.append(await life.wait())

    with trio.fail_after(60):
        await life.start()
        await heard.wait_said(b"begin\n")
        pid = life.pid
        assert pid is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.to_thread.run_sync(podman.stop)
            (tmp_path / "go").touch()
            await eventually(lambda: process(pid) is None)
            await trio.to_thread.run_sync(podman.start)

    assert [exit.code for exit in ends] == [9]
    assert (heard.said(), heard.said(Stream.STDERR)) == (b"begin\nLAST\n", b"WORDS\n")
    assert podman.containers() == []


@pytest.mark.parametrize("killed", [False, True])
async def test_an_end_that_podman_never_notices_is_an_end(podman: RealEngine, killed: bool) -> None:
    life, heard = life_of(real_spec(podman.address, "sh", "-c", "echo up; sleep 300"))
    with trio.fail_after(BOUND):
        await life.start()
        await heard.wait_said(b"up\n")
        assert life.pid is not None
        first = process(life.pid)
        assert first is not None
        os.kill(first.parent, signal.SIGKILL)
        await eventually(lambda: process(first.parent) is None)
        os.kill(life.pid, signal.SIGKILL)
        if killed:
            life.kill()
        exit = await life.wait()

    assert exit == Exit(How.KILLED, detail="its first process has ended, and its engine can't say how")
    await eventually(lambda: not podman.containers())


async def test_an_engine_that_hangs_makes_a_kill_fail_and_it_is_tried_again(real: RealEngine) -> None:
    life, heard = life_of(real_spec(real.address, "sleep", "300"))
    with trio.fail_after(60):
        await life.start()
        real.pause()
        try:
            life.kill()
            exit = await life.wait()
        finally:
            real.resume()
        await heard.wait_said(b"is gone now", Stream.SUPERVISOR)

    assert exit.how is How.UNKILLABLE
    assert life.name in exit.detail
    assert real.containers() == []


async def test_a_mount_of_what_is_not_there_is_refused_and_makes_nothing(real: RealEngine, tmp_path: Path) -> None:
    spec = real_spec(real.address, "true", mounts=(f"{tmp_path}/wrk:/place",))

    with pytest.raises(StartError, match=str(tmp_path / "wrk")):
        await live(life_of(spec)[0])
    assert not (tmp_path / "wrk").exists()
    assert real.containers() == []


async def test_a_policy_is_asked_before_any_engine(real: RealEngine) -> None:
    spec = real_spec(real.address, "true", mounts=(f"{real.socket}:/engine.sock",))

    with pytest.raises(SpecError, match="the socket of its engine, which no container gets"):
        runtime_of(spec, policy=ContainerPolicy(deny_mounts=()))
