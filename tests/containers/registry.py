"""A registry that wants a password: Debian's docker-registry, without TLS."""

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.containers.real_engines import IMAGE, PATIENCE, RealEngine
from tests.runtimes.process_helpers import free_ports

USER, PASSWORD = "agents", "open-sesame-please"
_HASH = "$2y$05$abcdefghijklmnopqrstuuLEvsgbjXiLsqTygJ543fLF2eti8PGUK"


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """Run it while the block lasts; gives `host:port`."""
    if shutil.which("docker-registry") is None:
        pytest.skip("containers: docker-registry is not installed (apt-get install docker-registry)")
    directory.mkdir()
    address = f"127.0.0.1:{free_ports().first}"
    (directory / "passwords").write_text(f"{USER}:{_HASH}\n")
    settings = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory / "images")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "tests", "path": str(directory / "passwords")}},
    }
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(settings))
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", directory / "config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


def _wait(address: str, process: "subprocess.Popen[bytes]") -> None:
    host, _, port = address.partition(":")
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)


def push(engine: RealEngine, address: str) -> str:
    """Put the image there, and take it from the engine; returns its name."""
    repository, _, tag = IMAGE.rpartition(":")
    name = f"{address}/team/bb"
    engine.call("POST", f"/images/{repository}:{tag}/tag?repo={name}&tag=1").raise_for_status()
    shown = {"username": USER, "password": PASSWORD, "serveraddress": address}
    header = base64.urlsafe_b64encode(json.dumps(shown).encode()).decode()
    answer = engine.call("POST", f"/images/{name}/push?tag=1", headers={"X-Registry-Auth": header})
    assert answer.status_code == 200
    assert '"error"' not in answer.text
    engine.call("DELETE", f"/images/{name}:1").raise_for_status()
    return f"{name}:1"
