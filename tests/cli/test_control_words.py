"""The words of the commands for a running supervisor, and what `status` shows, without one."""

import pytest

from trio_supervisor.cli.control_arguments import seconds
from trio_supervisor.cli.main import main
from trio_supervisor.cli.status import table
from trio_supervisor.cli.style import Style
from trio_supervisor.control.api import Desired, Snapshot, State


class TestTable:
    """What `status` shows, without a supervisor."""

    ONE = Snapshot("team/coder", State.BACKOFF, Desired.UP, 100.0, "exit code\x1b 1", 162.5, 3, 4, None, None, None)

    def test_elsewhere_whole_paths_and_nothing_is_cut(self) -> None:
        lines = table([self.ONE], 160.0, Style(), None)
        assert lines[1].split()[:6] == ["team/coder", "backoff", "1m", "3", "-", "-"]
        assert lines[1].endswith("  exit code  1; start in 2s")
        assert "\x1b" not in lines[1]

    def test_on_a_terminal_a_tree_as_wide_as_it_is(self) -> None:
        lines = table([self.ONE], 160.0, Style(colour=True), 40)
        assert lines[1].startswith("  coder  \x1b[33mbackoff\x1b[0m  1m")
        assert len(lines[1]) == 40 + len("\x1b[33m\x1b[0m")


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10.0), ("1.5s", 1.5), ("500ms", 0.5), ("2m", 120.0), ("1h", 3600.0)]
)
def test_times_on_the_command_line(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "1d", "-1", "1..2", "x", "inf"])
def test_times_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["wait", "a", f"--timeout={text}"])
    assert caught.value.code == 2
    assert "is no time; write 10s, 500ms, 2m or 1h" in capsys.readouterr().err
