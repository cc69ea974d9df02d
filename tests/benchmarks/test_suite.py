"""The suite runs, and says what was measured: nothing here asks how fast anything is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import FIGURES, FULL, QUICK, WORKLOADS
from benchmarks.goals import FLOOR, GOALS, US, by_figure, fixed, times
from benchmarks.page import BEGIN, END, put
from benchmarks.results import Results, Turn
from benchmarks.table import markdown, number

ROOT = Path(__file__).parent.parent.parent


def results(*turns: tuple[str, str, float | None]) -> Results:
    """Of a figure, by whom, how much."""
    about = {"version": "1", "delay": "0", "why": "So."}
    made = Results(
        {"kernel": "Linux"}, FULL, dict.fromkeys((US, FLOOR, "pm2", "circus"), about), {"s6": "not installed"}
    )
    made.turns = [Turn("W1 a crash loop", who, 0, 0, 1, {figure: value}) for figure, who, value in turns]
    return made


def test_every_workload_has_figures_and_goals() -> None:
    assert {figure.workload for figure in FIGURES.values()} == set(WORKLOADS)
    assert {FIGURES[goal.figure].workload for goal in GOALS} == set(WORKLOADS)
    for figure in FIGURES.values():
        assert "{" not in figure.title.format(**FULL.words())


def test_a_median_is_none_when_most_never_came_to_an_end() -> None:
    made = results(*(("W1.p50_ms", US, value) for value in (1.0, 3.0, None)), ("W1.p50_ms", FLOOR, None))

    assert made.median("W1.p50_ms", US) == 2.0
    assert made.spread("W1.p50_ms", US) == (1.0, 3.0)
    assert made.median("W1.p50_ms", FLOOR) is None
    assert made.median("W1.p50_ms", "pm2") is None


def test_a_goal_is_reached_missed_or_unknown() -> None:
    made = results(("W1.p50_ms", US, 2.1), ("W1.p50_ms", FLOOR, 1.0), ("W5.small.mb_s", US, 400.0))

    assert times("W1.p50_ms", 2, FLOOR).reached(made.median) is False
    assert times("W1.p50_ms", 2, FLOOR).distance(made.median) == pytest.approx(1.05)
    assert times("W1.p50_ms", 3, FLOOR).reached(made.median) is True
    assert times("W1.p50_ms", 1, "pm2").reached(made.median) is None
    assert fixed("W5.small.mb_s", 300).reached(made.median) is True
    assert fixed("W5.small.mb_s", 500).reached(made.median) is False
    assert fixed("W5.small.mb_s", 500).distance(made.median) == pytest.approx(1.25)
    assert fixed("W3.few.wakeups", 0).reached(results(("W3.few.wakeups", US, 0.0)).median) is True


def test_the_table_has_goals_ratios_spreads_and_who_is_missing() -> None:
    made = results(
        ("W1.p50_ms", US, 2.0), ("W1.p50_ms", US, 3.0), ("W1.p50_ms", FLOOR, 1.0), ("W1.p50_ms", "pm2", 5.0),
        ("W1.p50_ms", "circus", 10.0),
    )  # fmt: skip
    text = markdown(made)

    goal = next(line for line in text.splitlines() if line.startswith("| W1 crash to running again, median"))
    assert "**2.5** (2 to 3)" in goal
    assert "no: 1.25 x that; yes; yes" in goal
    assert "1 (2.5 x)" in goal
    assert "5 (0.5 x) pm2" in goal
    assert "| 2.5 (2 to 3) [0.5 x] | 1 | 5 | 10 [2 x] |" in text
    assert "Not there: s6 (not installed)." in text


def test_a_contestant_that_fails_is_named_with_its_workload() -> None:
    made = results(("W1.p50_ms", US, 2.0))
    made.turns.append(Turn("W1 a crash loop", "pm2", 0, 0, 1, {}, "TimeoutError: only 0 of 1 started\nmore"))

    assert "pm2 failed at a crash loop: TimeoutError: only 0 of 1 started\n" in markdown(made)
    made.turns = made.without({"W1"})
    assert made.turns == []


def test_what_was_measured_of_other_workloads_is_kept_with_who_took_part() -> None:
    earlier = results(("W1.p50_ms", "pm2", 5.0), ("W4.few.all_s", US, 0.1), ("W4.few.all_s", "circus", 0.5))
    later = Results({"kernel": "newer"}, FULL, {US: {"version": "2", "delay": "0", "why": "So."}}, {"pm2": "gone"})

    later.go_on_from(earlier, {"W4"})

    assert [turn.contestant for turn in later.turns] == ["pm2"]
    assert set(later.found) == {US, "pm2"}
    assert later.found[US]["version"] == "2"
    assert later.missing == {}


def test_results_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    made = results(("W1.p50_ms", US, None), ("W4.few.all_s", FLOOR, 0.25))
    made.save(tmp_path / "new" / "results.json")

    assert Results.load(tmp_path / "new" / "results.json") == made


@pytest.mark.parametrize(
    ("value", "said"), [(None, "never"), (0.0, "0"), (0.01234, "0.0123"), (12.34, "12.3"), (198_765.4, "198,765")]
)
def test_numbers_have_the_digits_that_matter(value: float | None, said: str) -> None:
    assert number(value) == said


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    put(page, "new\n")

    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    page.write_text("no place\n")
    with pytest.raises(ValueError, match="has no place for results"):
        put(page, "new\n")


def test_the_page_has_its_marks() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def run(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    """The command, which finds no peers but those that are installed for everybody."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    environment = {**os.environ, "TRIO_SUPERVISOR_PEERS": str(place)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=80, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "W1,W10"), "no workload W10; there are W1, W2"),
        (("--reps", "0"), "at least 1, not 0"),
        (("--peers", "systemctl"), "nobody is called systemctl; there are trio-supervisor, floor-c"),
        (("--quick", "--page"), "the quick sizes say nothing about speed"),
        (("--show", "--json", "/nope.json"), "/nope.json: no results"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, place=tmp_path)

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_smallest_sizes_run_from_end_to_end(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: the children and the limit are in C")
    file = tmp_path / "results.json"

    done = run(
        "--quick", "--only", "W1,W2,W3,W4,W9", "--peers", "floor-c,trio-plain", "--json", str(file), place=tmp_path
    )

    assert done.returncode == 0, done.stderr
    found = Results.load(file)
    assert [turn for turn in found.turns if turn.error] == []
    assert found.sizes == QUICK
    for workload in ("W1", "W2", "W3", "W4", "W9"):
        for key in (key for key, figure in FIGURES.items() if figure.workload == workload):
            assert found.median(key, US) is not None, key
    for who in ("floor-c", FLOOR):
        assert found.values("W2.few.all_s", who), who
    assert "says nothing about speed" in done.stdout
    assert json.loads(file.read_text())["machine"]["processors"] == str(os.cpu_count())
    assert by_figure()
