"""Engines for the tests of containers: real ones, started once for each worker, and scripted ones."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.real_engines import RealEngine, why_not

# A path that is short enough for a socket, whatever the name of a test is.
_BASE = Path("/tmp")


def _running(kind: str) -> Iterator[RealEngine]:
    if reason := why_not(kind):
        pytest.skip(reason)
    engine = RealEngine(kind, _BASE / f"ts-{kind}-{os.getpid()}")
    try:
        engine.start()
        engine.make_image()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def podman() -> Iterator[RealEngine]:
    """Podman's service."""
    yield from _running("podman")


@pytest.fixture(scope="session")
def docker() -> Iterator[RealEngine]:
    """Docker's daemon."""
    yield from _running("docker")


@pytest.fixture(params=["podman", "docker"])
def real(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    """Each of both, without any container."""
    engine: RealEngine = request.getfixturevalue(request.param)
    yield engine
    engine.clear()


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "runtime"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
