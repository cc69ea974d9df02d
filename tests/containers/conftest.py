"""Engines for the tests of containers: real ones, started once for each worker, and scripted ones."""

import os
from collections.abc import Generator, Iterator
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for an engine bears the mark: a lack of memory in a container is counted for the whole machine, and
    must not happen beside other tests that look at that count.
    """
    for item in items:
        asks = {"podman", "docker", "real"} & set(getattr(item, "fixturenames", ()))
        if item.path.parent == Path(__file__).parent and asks and item.get_closest_marker("containers") is None:
            raise pytest.UsageError(f"{item.nodeid} asks for an engine: mark it with containers")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What an engine has said last stands with a failure."""
    report = yield
    for name in ("podman", "docker"):
        engine = getattr(item, "funcargs", {}).get(name) or getattr(item, "funcargs", {}).get("real")
        if report.failed and isinstance(engine, RealEngine) and engine.kind == name:
            report.sections.append((f"log of {name}", engine.log()))
    return report


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = tmp_path / "runtime"
    directory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
