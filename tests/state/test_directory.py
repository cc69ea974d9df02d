"""Where the state directory is, and what it must be like."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from trio_supervisor.errors import ConfigError
from trio_supervisor.state import directory

FILE = "/srv/agents/supervisor.yaml"
NAME = hashlib.sha256(FILE.encode()).hexdigest()[:16]


def test_what_is_asked_for_comes_first_then_the_variable_then_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    everything = {"TRIO_SUPERVISOR_STATE_DIR": "/of/variable", "XDG_STATE_HOME": "/of/xdg", "HOME": "/home/me"}

    assert directory.find(FILE, "/asked/for", everything) == Path("/asked/for")
    assert directory.find(FILE, "relative/to", {}) == tmp_path / "relative" / "to"
    assert directory.find(FILE, None, everything) == Path("/of/variable")
    assert directory.find(FILE, None, everything | {"TRIO_SUPERVISOR_STATE_DIR": "here"}) == tmp_path / "here"
    xdg = everything | {"TRIO_SUPERVISOR_STATE_DIR": ""}
    assert directory.find(FILE, None, xdg) == Path("/of/xdg/trio-supervisor", NAME)
    home = Path("/home/me/.local/state/trio-supervisor", NAME)
    assert directory.find(FILE, None, {"HOME": "/home/me"}) == home
    assert directory.find(FILE, None, {"HOME": "/home/me", "XDG_STATE_HOME": "relative"}) == home


def test_it_is_made_for_us_alone_with_all_above_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory.make(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    directory.make(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_one_that_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, -1)

    with pytest.raises(ConfigError, match="must belong to uid 0, not to uid 65534"):
        directory.make(tmp_path)


@pytest.mark.parametrize("inner", [".", "below"])
def test_a_file_in_its_place_is_an_error_that_names_it(tmp_path: Path, inner: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="Not a directory") as caught:
        directory.make(tmp_path / "file" / inner)

    assert str(tmp_path / "file") in str(caught.value)
