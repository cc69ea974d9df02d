"""An engine that is reached over TCP with TLS, by the variables of docker(1)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.cli.running import running
from tests.containers.helpers import BOUND, eventually, life_of, live
from tests.containers.real_engines import IMAGE, RealEngine, make_certificates
from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.base import Stream
from trio_supervisor.spec import CloseStdinStep, ContainerSpec, Stdin
from trio_supervisor.system import containers

pytestmark = pytest.mark.containers


@pytest.fixture
def sealed(docker: RealEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealEngine]:
    if not docker.tls_port:
        pytest.skip("containers: openssl is not installed")
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{docker.tls_port}")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(docker.certificates))
    yield docker
    docker.clear()


def spec_of(*command: str, **more: object) -> ContainerSpec:
    return ContainerSpec(IMAGE, command, **more)  # type: ignore[arg-type]


async def test_a_life_with_output_input_and_its_end(sealed: RealEngine) -> None:
    life, heard = life_of(spec_of("sh", "-c", "cat; echo over >&2; exit 3", stdin=Stdin.PIPE))
    with trio.fail_after(BOUND):
        await life.start()
        assert life.input is not None
        await life.input.write(b"x" * 300_000 + b"\n")
        await heard.wait_said(b"x\n")
        # Its end is heard by a container that goes on talking.
        await life.ask(CloseStdinStep(wait=5))
        exit = await life.wait()

    assert exit.code == 3
    assert heard.said() == b"x" * 300_000 + b"\n"
    assert heard.said(Stream.STDERR) == b"over\n"
    assert sealed.containers() == []


async def test_a_terminal_and_a_command_beside_it(sealed: RealEngine) -> None:
    life, heard = life_of(spec_of("sh", "-c", "read name; echo hello $name; sleep 300", stdin=Stdin.PTY))
    with trio.fail_after(BOUND):
        await life.start()
        assert life.input is not None
        await life.input.write(b"you\r")
        await heard.wait_said(b"hello you")
        assert (await life.run(("sh", "-c", "echo beside; exit 4"), 5)).output == b"beside\n"
        life.kill()
        await life.wait()
    # Its processes may be those of another machine.
    assert life.pid is None


async def test_what_nobody_vouches_for_is_not_talked_to(
    sealed: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificates(tmp_path / "others")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "others"))
    life, _ = life_of(spec_of("true"))

    with trio.fail_after(BOUND), pytest.raises(StartError, match=r"(?i)certificate verify failed"):
        await life.start()


async def test_a_file_that_is_missing_is_named(
    sealed: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    life, _ = life_of(spec_of("true"))

    with trio.fail_after(BOUND), pytest.raises(StartError, match=rf"{tmp_path}/ca\.pem can't be used: No such file"):
        await life.start()


async def test_without_verification_only_where_that_is_said(
    sealed: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_bytes((sealed.certificates / name).read_bytes())
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_TLS_VERIFY")
    monkeypatch.setenv("DOCKER_TLS", "1")

    assert (await live(life_of(spec_of("true"))[0])).clean


async def test_the_guardian_clears_up_over_tls_too(sealed: RealEngine, tmp_path: Path) -> None:
    text = f"agents: {{a: {{container: {{image: '{IMAGE}', command: [sleep, '600'], pull: never}}}}}}\n"
    async with running(tmp_path, text) as it:
        await it.see("● ready")
        assert len(sealed.containers(all=False)) == 1
        it.send(signal.SIGKILL)
        await eventually(lambda: not sealed.containers())
        await eventually(lambda: containers.owed(str(tmp_path / "state" / "lease")) == [])
    assert os.environ["DOCKER_HOST"].startswith("tcp://")
