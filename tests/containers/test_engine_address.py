"""Where an engine is looked for, and when TLS is spoken with it."""

import socket
from pathlib import Path

import pytest

from trio_supervisor.errors import StartError
from trio_supervisor.runtimes.container.address import engine_address, is_local, shares_files, trouble
from trio_supervisor.system.engine_tls import host_of

TCP = "tcp://engine.example:2376"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, TCP),
        ({"DOCKER_CERT_PATH": "/certs"}, TCP),
        ({"DOCKER_TLS_VERIFY": ""}, TCP),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}, "tls://engine.example:2376?/certs"),
        ({"DOCKER_TLS": "1", "DOCKER_CERT_PATH": "/certs"}, "tls://engine.example:2376?unverified:/certs"),
        ({"DOCKER_TLS": "1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, "tls://engine.example:2376?/c"),
    ],
)
def test_tls_is_spoken_where_the_variables_say_so(environ: dict[str, str], address: str) -> None:
    assert engine_address(TCP, environ) == address
    assert engine_address(None, {**environ, "DOCKER_HOST": TCP}) == address
    assert host_of(address) == "engine.example:2376"
    assert not is_local(address)
    # A socket of this machine needs none.
    assert engine_address("unix:///x", environ) == "unix:///x"


def test_the_files_are_those_of_docker_where_no_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert engine_address(TCP, {"DOCKER_TLS_VERIFY": "1"}) == "tls://engine.example:2376?/home/me/.docker"


def test_what_is_written_comes_before_variables_and_these_before_sockets(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": "unix:///a", "CONTAINER_HOST": "unix:///b"}

    assert engine_address("unix:///c", environ) == "unix:///c"
    assert engine_address(None, environ) == "unix:///a"
    del environ["DOCKER_HOST"]
    assert engine_address(None, environ) == "unix:///b"


def test_an_engine_that_does_not_answer_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")
    address = f"unix://{path}"
    away = f"{address}: no engine answers: No such file or directory; start that engine, or correct "
    assert trouble(address, {"DOCKER_HOST": "unix:///x"}) == f"{away}`container: {{engine: ...}}`"
    assert trouble(None, {"CONTAINER_HOST": address}) == f"{away}$CONTAINER_HOST"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(path)
        assert "no engine answers: Connection refused" in trouble(address, {})
        engine.listen()
        assert trouble(address, {}) == ""
    assert trouble("tcp://engine.example:2375", {}) == ""
    assert "only unix:///path" in trouble(None, {"DOCKER_HOST": "ssh://x"})


def test_what_is_not_supported_is_said() -> None:
    with pytest.raises(StartError, match="only unix:///path and tcp://host:port are supported"):
        engine_address(None, {"DOCKER_HOST": "ssh://engine.example"})


def test_an_engine_whose_process_has_our_root_sees_our_files(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(path)
        engine.listen()
        assert shares_files(f"unix://{path}")
    assert not shares_files(f"unix://{path}")
    assert not shares_files("tcp://127.0.0.1:1")
