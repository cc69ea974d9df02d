"""The results for people, in Markdown: first our goals, then a table for each workload with everybody in it."""

from collections.abc import Iterator

from benchmarks.figures import FIGURES, FULL, WORKLOADS, Figure
from benchmarks.goals import FLOOR, LIMIT, US, Goal, by_figure
from benchmarks.results import Results

NO_PEERS = {US, FLOOR, LIMIT}


def markdown(results: Results) -> str:
    """All of it."""
    parts = [_machine(results)]
    if results.sizes == FULL:
        parts.append(_goals(results))
    parts += [_workload(results, name) for name in WORKLOADS if _measured(results, name)]
    parts.append(contestants(results))
    return "\n".join(parts)


def number(value: float | None) -> str:
    """Three digits, as far as they matter."""
    if value is None:
        return "never"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _machine(results: Results) -> str:
    facts = "; ".join(f"{name}: {value}" for name, value in results.machine.items())
    others = sorted(turn.others for turn in results.turns) or [0.0]
    said = f"others used {others[len(others) // 2]:.0f} % of the machine in the median turn, {others[-1]:.0f} % at most"
    quick = "" if results.sizes == FULL else " **Of the quick sizes: says nothing about speed.**"
    return f"{facts}; {said}.{quick}\n"


def _goals(results: Results) -> str:
    rows = ["### What was asked for", ""]
    rows += [
        "| | trio-supervisor | asked for | reached | bare Trio | limit (C) | best peer |",
        "|---|---|---|---|---|---|---|",
    ]
    for key, goals in by_figure().items():
        if results.values(key, US):
            rows.append(_goal_row(results, FIGURES[key], goals))
    return "\n".join([*rows, ""])


def _goal_row(results: Results, figure: Figure, goals: tuple[Goal, ...]) -> str:
    known = [goal for goal in goals if goal.reached(results.median) is not None]
    asked = "; ".join(goal.words for goal in known or goals)
    best = _best_peer(results, figure)
    cells = [
        f"{figure.workload} {_title(results, figure)}, {figure.unit}",
        f"**{number(results.median(figure.key, US))}**{_spread(results, figure, US)}",
        asked,
        "; ".join(_verdict(results, goal) for goal in known) or "?",
        _beside(results, figure, FLOOR),
        _beside(results, figure, LIMIT),
        "" if best is None else f"{_beside(results, figure, best)} {best}",
    ]
    return f"| {' | '.join(cells)} |"


def _verdict(results: Results, goal: Goal) -> str:
    if goal.reached(results.median):
        return "yes"
    distance = goal.distance(results.median)
    return "no" if distance is None else f"no: {distance:.2f} x that"


def _beside(results: Results, figure: Figure, whom: str) -> str:
    theirs = results.median(figure.key, whom)
    if theirs is None:
        return ""
    return f"{number(theirs)}{_ratio(results.median(figure.key, US), theirs, figure)}"


def _ratio(ours: float | None, theirs: float | None, figure: Figure) -> str:
    """How many times worse than theirs ours is."""
    if not ours or not theirs:
        return ""
    ratio = ours / theirs if figure.less_is_better else theirs / ours
    return f" ({ratio:,.0f} x)" if ratio >= 10 else f" ({ratio:.2g} x)"


def _best_peer(results: Results, figure: Figure) -> str | None:
    found = [
        (value, name)
        for name in results.found
        if name not in NO_PEERS and (value := results.median(figure.key, name)) is not None
    ]
    return None if not found else (min if figure.less_is_better else max)(found)[1]


def _title(results: Results, figure: Figure) -> str:
    return figure.title.format(**results.sizes.words())


def _spread(results: Results, figure: Figure, whom: str) -> str:
    spread = results.spread(figure.key, whom)
    return "" if spread is None else f" ({number(spread[0])} to {number(spread[1])})"


def _measured(results: Results, workload: str) -> list[Figure]:
    return [
        figure for figure in FIGURES.values()
        if figure.workload == workload and any(results.values(figure.key, name) for name in results.found)
    ]  # fmt: skip


def _workload(results: Results, workload: str) -> str:
    """A row for each figure, a column for each contestant; in brackets how many times worse than the best peer's."""
    figures = _measured(results, workload)
    names = [name for name in results.found if any(results.values(figure.key, name) for figure in figures)]
    rows = [f"### {workload}: {WORKLOADS[workload]}", "", f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    rows += [
        f"| {_title(results, figure)}, {figure.unit} | {' | '.join(_cells(results, figure, names))} |"
        for figure in figures
    ]
    rows += [f"\n{line}" for line in _errors(results, workload)]
    return "\n".join([*rows, ""])


def _cells(results: Results, figure: Figure, names: list[str]) -> Iterator[str]:
    best = _best_peer(results, figure)
    for name in names:
        if not results.values(figure.key, name):
            yield ""
            continue
        value = results.median(figure.key, name)
        shown = number(value) + _spread(results, figure, name)
        peer = None if best is None or name == best else results.median(figure.key, best)
        yield f"{shown}{_ratio_to_best(value, peer, figure)}" if name not in (FLOOR, LIMIT) else shown


def _ratio_to_best(value: float | None, best: float | None, figure: Figure) -> str:
    return _ratio(value, best, figure).replace("(", "[").replace(")", "]")


def _errors(results: Results, workload: str) -> list[str]:
    found = {
        f"{turn.contestant} failed at {turn.block.partition(' ')[2]}: {turn.error.splitlines()[0]}"
        for turn in results.turns
        if turn.error and workload in turn.block.partition(" ")[0].split("+")
    }
    return sorted(found)


def contestants(results: Results) -> str:
    """Who was there, and who was not."""
    rows = [
        "### Contestants",
        "",
        "| | version | smallest delay before a restart | how its figures come about |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {name} | {about['version']} | {about['delay']} | {about['why']} |" for name, about in results.found.items()
    ]
    missing = ", ".join(f"{name} ({why})" for name, why in results.missing.items())
    return "\n".join([*rows, "", f"Not there: {missing or 'nobody'}.", ""])
