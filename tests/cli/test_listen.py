"""`run --listen`: refused without a good token, never open otherwise, and commanded from elsewhere."""

import os
import secrets
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.cli.running import running
from tests.control.trees import short_directory

AGENTS = """
agents:
  cat: {command: [cat], stdin: pipe}
  shows: {command: [sh, -c, 'env | grep _TOKEN= ; echo shown; exec sleep 600']}
"""


def token(directory: Path, name: str) -> str:
    """The path of a file with a good one."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32) + "\n")
    return str(path)


async def asked(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of another terminal, elsewhere."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRIO_SUPERVISOR_")}
    done = await trio.run_process(
        [sys.executable, "-m", "trio_supervisor", *words],
        env=env | environment,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def refused(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Try to run, and be refused."""
    file = directory / "supervisor.yaml"
    file.write_text(AGENTS)
    command = [sys.executable, "-m", "trio_supervisor", "run", str(file), "--state-dir", str(directory / "s"), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=30)


async def test_from_elsewhere_everything_can_be_done_with_the_token_for_it() -> None:
    with short_directory() as directory:
        operate, observe = token(directory, "operate"), token(directory, "observe")
        files = ["--operate-token-file", operate, "--observe-token-file", observe]
        async with running(directory, AGENTS, "--listen", "127.0.0.1:0", *files) as run:
            await run.see("● ready", 2)
            assert "takes a token to observe and operate" in run.output
            url = run.output.partition("control: ")[2].split()[0]
            by_flag, by_env = ["--url", url, "--token-file", operate], {"TRIO_SUPERVISOR_URL": url}

            assert (await asked("restart", "cat", *by_flag)).stdout == "cat: restarted\n"
            by_env["TRIO_SUPERVISOR_TOKEN"] = Path(observe).read_text().strip()
            assert (await asked("status", "--names", **by_env)).stdout == "cat\nshows\n"
            told = await asked("events", "--agent", "cat", **by_env)
            assert "asked to restart by token operate from 127.0.0.1:" in told.stdout
            done = await asked("stop", "cat", **by_env)
            assert (done.returncode, done.stderr) == (
                2,
                "this token lets only observe; to command takes the one to operate\n",
            )
            done = await asked("status", "--url", url)
            assert (done.returncode, done.stderr[:31]) == (2, "a token is needed for a URL: --")
            # What is written at the command line goes before the environment.
            done = await asked("status", "--socket", str(directory / "state" / "control.sock"), **by_env)
            assert done.returncode == 0

            assert (await asked("shutdown", *by_flag)).returncode == 0
            assert await run.end() == 0
        done = await asked("status", *by_flag)
        assert (done.returncode, done.stderr) == (3, f"{url}: no supervisor listens there\n")


async def test_agents_inherit_no_token_and_other_machines_are_warned_of() -> None:
    with short_directory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIO_SUPERVISOR_OPERATE_TOKEN", secrets.token_hex(32))
        async with running(directory, AGENTS, "--listen", "0.0.0.0:0") as run:
            await run.see("shown")
            assert "_TOKEN=" not in run.output
            assert "other machines can reach 0.0.0.0:" in run.output
            assert "nothing is encrypted" in run.output


async def test_nothing_listens_unless_it_is_asked_for() -> None:
    with short_directory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIO_SUPERVISOR_OPERATE_TOKEN", secrets.token_hex(32))
        async with running(directory, AGENTS) as run:
            await run.see("● ready", 2)
            inodes = set()
            for path in Path(f"/proc/{run.process.pid}/fd").iterdir():
                # It opens and closes files meanwhile.
                with suppress(FileNotFoundError):
                    inodes.add(os.readlink(path))
            listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            assert not [line for line in listening if line[3] == "0A" and f"socket:[{line[9]}]" in inodes]


def test_without_a_good_token_nothing_is_run() -> None:
    with short_directory() as directory:
        weak = directory / "weak"
        weak.write_text("secret\n")
        good = token(directory, "good")
        at = ("--listen", "127.0.0.1:0")
        for words, code, said in [
            (at, 2, "--listen needs a token"),
            (
                (*at, "--operate-token-file", str(weak)),
                2,
                "the token to operate must have at least 32 characters, not 6",
            ),
            ((*at, "--operate-token-file", "/no/such"), 2, "token file /no/such: No such file or directory"),
            ((*at, "--operate-token-file", good, "--observe-token-file", good), 2, "must not be the same"),
            (("--listen", "nonsense", "--operate-token-file", good), 2, "--listen must be HOST:PORT"),
        ]:
            done = refused(directory, *words)
            assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), done
            assert "cat" not in done.stdout


def test_a_place_that_is_taken_is_said_before_anything_runs() -> None:
    with short_directory() as directory:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            place = f"127.0.0.1:{taken.getsockname()[1]}"
            done = refused(directory, "--listen", place, "--operate-token-file", token(directory, "good"))
        assert (done.returncode, done.stderr) == (3, f"--listen {place}: somebody else listens there\n")
