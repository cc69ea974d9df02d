"""The words of the commands for a running supervisor, and what `status` shows, without one."""

import pytest

from trio_supervisor.cli.control_arguments import seconds
from trio_supervisor.cli.explain import lines as explained
from trio_supervisor.cli.main import main
from trio_supervisor.cli.status import next_of, table
from trio_supervisor.cli.style import Style
from trio_supervisor.cli.table import size
from trio_supervisor.cli.tree import lines as tree_lines
from trio_supervisor.control.api import (
    Desired,
    Event,
    Exit,
    Explanation,
    Ground,
    How,
    Rule,
    Snapshot,
    State,
    StateChanged,
    Usage,
)
from trio_supervisor.control.insights import Need, Node, Use
from trio_supervisor.record import changed


class TestTable:
    """What `status` shows, without a supervisor."""

    ONE = Snapshot("team/coder", State.BACKOFF, Desired.UP, 100.0, "exit code\x1b 1", 162.5, 3, 4, None, None, None)

    def test_elsewhere_whole_paths_and_nothing_is_cut(self) -> None:
        lines = table([self.ONE], 160.0, Style(), None)
        assert lines[0].split() == [
            "AGENT",
            "STATE",
            "SINCE",
            "NEXT",
            "RESTARTS",
            "PID",
            "PORT",
            "CPU",
            "MEMORY",
            "REASON",
        ]
        assert lines[1].split()[:6] == ["team/coder", "backoff", "1m", "restart", "in", "2s"]
        assert lines[1].split()[6:] == ["3", "-", "-", "-", "-", "exit", "code", "1"]
        assert "\x1b" not in lines[1]

    def test_on_a_terminal_a_tree_as_wide_as_it_is(self) -> None:
        lines = table([self.ONE], 160.0, Style(colour=True), 30)
        assert lines[1].startswith("  coder  \x1b[33mbackoff\x1b[0m  1m")
        assert len(lines[1]) == 30 + len("\x1b[33m\x1b[0m")

    def test_a_narrow_terminal_does_without_what_matters_less(self) -> None:
        used = changed(self.ONE, usage=Usage(75.0, 3 << 20, 2), pid=4711, reason="x" * 80)
        columns = {width: table([used], 160.0, Style(), width)[0].split() for width in (200, 90, 70, 50)}
        assert columns[200] == ["AGENT", "STATE", "SINCE", "NEXT", "RESTARTS", "PID", "CPU", "MEMORY", "REASON"]
        assert columns[90] == ["AGENT", "STATE", "SINCE", "NEXT", "RESTARTS", "MEMORY", "REASON"]
        assert columns[70] == ["AGENT", "STATE", "SINCE", "NEXT", "REASON"]
        assert columns[50] == ["AGENT", "STATE", "SINCE", "REASON"]
        assert all(len(line) <= 50 for line in table([used], 160.0, Style(), 50))

    def test_what_it_uses_and_since_when_it_fails(self) -> None:
        ready = changed(self.ONE, state=State.READY, next_at=None, failing_since=148.0, usage=Usage(75.0, 3 << 20, 2))
        line = table([ready], 160.0, Style(), None)[1]
        assert line.split()[7:9] == ["1m15s", "3.0M"]
        assert line.endswith("exit code  1; a probe fails for 12s")

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (State.BACKOFF, "restart in 2s"),
            (State.HELD, "resume in 2s"),
            (State.RUNNING, "deadline in 2s"),
            (State.DRAINING, "stop in 2s"),
            (State.STOPPING, "decision in 2s"),
        ],
    )
    def test_what_comes_next(self, state: State, words: str) -> None:
        assert next_of(changed(self.ONE, state=state), 160.0) == words


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0K"), (1536, "1.5K"), (31 << 20, "31M"), (1 << 30, "1.0G"), (5 << 40, "5.0T")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


class TestExplanation:
    """What `explain` shows, without a supervisor."""

    AT = 1_800_000_000.0
    ONE = Snapshot(
        "coder", State.BACKOFF, Desired.UP, AT, "exit code\x1b 1", AT + 2.5, 3, 4, None, 8080, Exit(How.EXITED, code=1)
    )
    CHANGE = StateChanged(
        "coder",
        4,
        State.READY,
        State.BACKOFF,
        "exit code 1",
        restarts=3,
        exit=Exit(How.EXITED, code=1),
        grounds=(
            Ground(Rule.INTENSITY, "1 of 1 restarts within 9 s used"),
            Ground(Rule.INTENSITY, "3 of 5 restarts within 60 s used"),
            Ground(Rule.BACKOFF, "failure 3 in a row: 1 s"),
        ),
    )
    FOUND = Explanation(ONE, "restart 3 in 2.5 s", CHANGE.grounds[1:], (Event(7, AT, CHANGE, 1.0, 12.0, None, None),))

    def test_elsewhere_nothing_is_broken(self) -> None:
        lines = list(explained(self.FOUND, self.AT + 1, Style(), None))
        at = lines[0].split()[-3]
        assert lines[0].startswith("coder is in backoff since ")
        assert lines[1:] == [
            "  because   exit code  1",
            "  next      restart 3 in 2.5 s",
            "  to do     trio-supervisor start coder",
            "  wanted    up",
            "  lives     4 so far, port 8080; 3 restarts that nobody asked for",
            "  last end  exit code 1",
            "",
            "Rules, as they stand now",
            "  intensity  3 of 5 restarts within 60 s used",
            "  backoff    failure 3 in a row: 1 s",
            "",
            "Last decisions",
            f"  {at}  ready -> backoff after 12 s",
            "    because    exit code 1",
            "    intensity  1 of 1 restarts within 9 s used",
            "               3 of 5 restarts within 60 s used",
            "    backoff    failure 3 in a row: 1 s",
            "    next       in 1.0 s",
        ]

    def test_on_a_terminal_long_lines_go_on_in_their_column(self) -> None:
        long = changed(self.FOUND, outlook="word " * 30, decisions=())
        lines = list(explained(long, self.AT + 90_000, Style(colour=True), 60))
        assert "\x1b[33mbackoff\x1b[0m since 20" in lines[0]
        assert lines[2].startswith("  next      word word")
        assert lines[3].startswith("              word")
        assert all(len(line) <= 60 for line in lines[1:])
        assert lines[-1] == "  none yet"

    def test_of_one_that_has_never_lived(self) -> None:
        one = Snapshot("a", State.WAITING, Desired.UP, self.AT, "", None, 0, 0, None, None, None, status="warming up")
        lines = list(explained(Explanation(one, "it starts", (), ()), self.AT, Style(), None))
        assert lines[1:5] == [
            "  because  nothing more is known",
            "  next     it starts",
            "  wanted   up",
            "  lives    none yet in this run",
        ]
        assert lines[5] == "  says     warming up"


def test_the_tree_with_its_rules() -> None:
    hold, used, pause = Use(0, 5, 60.0, False), Use(1, 5, 60.0, False), Use(2, 3, 9.0, True)
    nodes = [
        Node("", "supervisor", None, "", (), (), "rest_for_one", "otp", "hold", hold),
        Node("team", "supervisor", State.READY, "permanent", (), (used,), "one_for_all", "fleet", "pause", pause),
        Node("team/x", "task", State.READY, "transient", (), (pause,)),
        Node("a", "process", State.WAITING, "permanent", (Need("team", "ready", "stopped", False),), (hold,)),
    ]
    assert list(tree_lines(nodes, Style(), None)) == [
        "supervisor  rest_for_one (profile otp); each child may restart 5 times in 1 min, then that one is held",
        "├─ team     ready      one_for_all; 2 of 3 restarts in 9.0 s used, then nothing is restarted for that long; "
        "permanent; 1 of 5 restarts in 1 min used",
        "│  └─ x     ready      task; transient",
        "└─ a        waiting    process; permanent; needs team ready (it is stopped)",
    ]
    plain = list(tree_lines(nodes, Style(unicode=False, colour=True), 40))
    assert plain[3].startswith("`- a        \x1b[36mwaiting\x1b[0m    process")
    assert len(plain[1]) == 40 + len("\x1b[32m\x1b[0m")


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
