"""Stops of real agents as a user sees them, and a supervisor that is stopped and goes on (SIGSTOP, SIGCONT)."""

import signal
import sys
from pathlib import Path

import pytest
import trio

from tests.cli.running import running

pytestmark = pytest.mark.slow
PROGRAMS = Path(__file__).parent.parent / "subjects" / "progs"


async def test_an_exit_code_of_128_and_the_signal_is_a_quiet_stop(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [sh, -c, 'trap \"exit 143\" TERM; echo up; sleep 600 & wait']}}\n"
    async with running(tmp_path, yaml) as it:
        await it.see("| up")
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "(exit code 143)" in it.output
    assert "badly" not in it.output


async def test_another_exit_code_after_a_stop_is_said_and_is_a_success(tmp_path: Path) -> None:
    yaml = "agents: {a: {command: [sh, -c, 'trap \"exit 3\" TERM; echo up; sleep 600 & wait']}}\n"
    async with running(tmp_path, yaml) as it:
        await it.see("| up")
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "(ended badly: exit code 3)" in it.output


async def test_a_long_stop_is_said_and_so_is_the_kill(tmp_path: Path) -> None:
    program = f"{PROGRAMS}/ignore_term.py"
    async with running(
        tmp_path, f"agents: {{a: {{command: ['{sys.executable}', '{program}'], stop: {{grace: 2s}}}}}}\n"
    ) as it:
        await it.see("| ready")
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "still stopping: SIGTERM to the group, 1." in it.output
    assert "SIGKILL to what is left" in it.output


async def test_a_supervisor_that_is_stopped_and_goes_on_holds_nothing_against_its_agents(tmp_path: Path) -> None:
    server = (
        "import http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "    def log_message(self, *_): pass\n"
        "import sys; h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    (tmp_path / "server.py").write_text(server)
    probe = "http: /, period: 300ms, timeout: 500ms, failures: 1"
    exec_probe = "exec: [sleep, '0.2'], period: 300ms, timeout: 10s, failures: 1"
    yaml = (
        f"agents:\n"
        f"  web: {{command: ['{sys.executable}', server.py, '{{port}}'], port: auto,"
        f" readiness: {{{probe}}}, health: {{{probe}}}}}\n"
        f"  slow: {{command: [sleep, '600'], health: {{{exec_probe}}}}}\n"
    )
    async with running(tmp_path, yaml) as it:
        await it.see("ready after", 2)
        for _ in range(2):
            await trio.sleep(0.7)
            it.send(signal.SIGSTOP)
            await trio.sleep(4)
            it.send(signal.SIGCONT)
        await trio.sleep(2)
        it.send(signal.SIGINT)

        assert await it.end() == 0
    assert "unhealthy" not in it.output
    assert "not ready:" not in it.output
    assert "; restart" not in it.output
    assert "ready again" not in it.output
