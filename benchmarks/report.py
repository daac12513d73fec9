"""docs/performance.md, docs/performance/quick.md and their plots, from the result files: python -m benchmarks.report

What belongs here: the pages' text and plots. What does not: measuring, and why a goal is missed (reasons.md). What people must
know of a benchmark is written in its module's docstring and notes, so that the pages can be rebuilt at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import simulate
from benchmarks.harness import Goal, Size, number
from benchmarks.results import RESULTS, read_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "performance.md"
PLOTS = PROJECT / "docs" / "performance"
REASONS = Path(__file__).resolve().parent / "reasons.md"
GENERATED = "This page is written by `python -m benchmarks.report` from `benchmarks/results/`; do not edit it."
HEAD = """\
# Performance: measured beside what people would use instead

One row for each benchmark at full size. [Why goals are missed](#why-goals-are-missed) gives the reason for each miss, and
[what was tried](performance/tried.md) what helped and what did not.
"""
METHOD = f"""\
## How it is measured

`make benchmark` runs everything side by side in one go on the machine at hand, `make benchmark-quick` with small data in under
ten minutes ([results](performance/quick.md)). Contenders take turns (A B A B …), their results are held equal first, and the
median of the rounds' ratios is what counts: a ratio of one run is a result, an absolute time is not. Nothing is made faster by
doing less: gates, ledger, checks and exactness are on in every measured run. Lines that begin with `GOAL MISSED` make both
commands end with an exit code other than zero.

The engines under measurement are those of one machine: the stand-ins (DuckDB behind Snowflake's protocol, chDB behind
ClickHouse's) and Spark in local mode. Ratios between ways of using the same engine carry over to the real services as far as
the work does; times do not.

{GENERATED}
"""
QUICK_HEAD = f"""\
# Benchmarks with small data

What `make benchmark-quick` measured: enough to see that a change made something slower, too small to judge the platform by.
The [results at full size](../performance.md) are what counts. {GENERATED}
"""
#: Grey enough for any theme.
_MET, _MISSED, _WHISKER = "#4c78a8", "#e45756", "#888888"
_NOISE = "rounds differ widely, and a ratio near 1 can fall on either side of it. Measure again on an idle machine."


def write_pages(folder: Path = RESULTS, page: Path = PAGE, plots: Path = PLOTS) -> Path:
    """Write both pages, the picture of all goals, and one plot for each result that has timings. The main page's path."""
    results = read_all(folder)
    full = [result for result in results if result["size"] == Size.FULL]
    quick = [result for result in results if result["size"] == Size.QUICK]
    plots.mkdir(parents=True, exist_ok=True)
    parts = [HEAD, _summary(full), _goals_picture(full, plots, page.parent), METHOD]
    parts += [_section(result, plots, page.parent) for result in full]
    parts.append(_with_simulation(REASONS.read_text().strip(), full) + "\n")
    page.write_text("\n".join(parts))
    small = [QUICK_HEAD, *(_section(result, plots, plots) for result in quick)]
    (plots / "quick.md").write_text("\n".join(small))
    return page


def _with_simulation(text: str, results: Sequence[dict[str, Any]]) -> str:
    """The text with the simulation's tables in their places, or with what they lack."""
    try:
        day, grid = simulate.standard_day(results), simulate.standard_grid(results)
    except KeyError as missing:
        day = grid = f"({missing.args[0]})"
    return text.replace("{simulated day}", day).replace("{simulated grid}", grid)


def _summary(results: Sequence[dict[str, Any]]) -> str:
    """One row for each benchmark that has goals, with the row that is farthest from its goal."""
    lines = ["| benchmark | goals met | farthest from its goal | measured | goal |", "|---|---|---|---|---|"]
    for result in results:
        judged = [row for row in result["rows"] if row["goal"]]
        if not judged:
            continue
        met = sum(row["met"] for row in judged)
        worst = max(judged, key=of_goal)
        goals = f"{met} of {len(judged)}"
        lines.append(
            f"| [{result['title']}](#{_anchor(result['title'])}) | {goals if met == len(judged) else f'**{goals}**'} "
            f"| {worst['name']} | {number(worst['value'])}{worst['unit']} | {_goal(worst)} |"
        )
    return "\n".join(lines) + "\n"


def of_goal(row: dict[str, Any]) -> float:
    """1 where the goal is just met, 2 where it is missed by a factor of two, below 1 where there is room."""
    goal, value = Goal(**row["goal"]), max(row["value"], 1e-9)
    return goal.limit / value if goal.at_least else value / goal.limit


def _goals_picture(results: Sequence[dict[str, Any]], plots: Path, page_folder: Path) -> str:
    """All goals in one picture: how far each measured value is from its goal, on a logarithmic scale."""
    bars = [
        (f"{result['benchmark']}: {row['name']}", max(of_goal(row), 0.05), row["met"])
        for result in results
        for row in result["rows"]
        if row["goal"]
    ][::-1]
    if not bars:
        return ""
    figure = _figure(9.5, 0.8 + 0.24 * len(bars))
    axes = figure.add_subplot()
    colours = [_MET if met else _MISSED for _, _, met in bars]
    axes.barh([name for name, _, _ in bars], [size - 1 for _, size, _ in bars], left=1, color=colours)
    axes.set_xscale("log")
    ticks = {0.05: "1/20", 0.2: "1/5", 0.5: "half", 1: "goal", 2: "twice", 4: "4 times"}
    axes.set_xticks(list(ticks), labels=list(ticks.values()))
    axes.set_xticks([], minor=True)
    axes.axvline(1, color=_WHISKER, linewidth=1)
    axes.set_xlabel("measured, of the goal (red: missed)")
    return f"![How far each figure is from its goal]({_saved(figure, plots / 'goals.svg', page_folder)})\n"


def _section(result: dict[str, Any], plots: Path, page_folder: Path) -> str:
    machine, load = result["machine"], result["load_average"]
    lines = [f"## {result['title']}", ""]
    lines.append(f"Data: {'; '.join(f'{name} {_value(value)}' for name, value in result['data'].items())}.")
    lines.append("")
    lines += ["| | measured | goal | |", "|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {number(row['value'])}{row['unit']} | {_goal(row)} "
        f"| {'' if row['goal'] is None else 'met' if row['met'] else '**missed**'} |"
        for row in result["rows"]
    ]
    if result["timings"]:
        lines += ["", *_timings(result), "", f"![{result['title']}]({_plot(result, plots, page_folder)})"]
    for note in (*[row["note"] for row in result["rows"] if row["note"]], *result["notes"]):
        lines += ["", note]
    if load["before"][0] > machine["cores"]:
        lines += [
            "",
            f"**The machine was busy with other work** (load average {load['before'][0]} on {machine['cores']} cores): {_NOISE}",
        ]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines += [
        "",
        f"Measured {result['date']} on {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
        f"{machine['system']}, Python {machine['python']}; load average {load['before'][0]} before, {load['after'][0]} after; "
        f"{versions}.",
        "",
    ]
    return "\n".join(lines)


def _timings(result: dict[str, Any]) -> list[str]:
    figures = sorted(
        {name for case in result["timings"].values() for timing in case.values() for name in timing["figures"]}
    )
    heading = ["case", "contender", "median s", "rounds", "spread", *figures]
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    for case, contenders in result["timings"].items():
        for name, timing in contenders.items():
            cells = [
                case,
                name,
                number(timing["median"]),
                str(len(timing["seconds"])),
                f"{timing['spread']:.0%}",
                *(number(timing["figures"][figure]) if figure in timing["figures"] else "" for figure in figures),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _plot(result: dict[str, Any], plots: Path, page_folder: Path) -> str:
    """Horizontal bars of median seconds with whiskers from the fastest to the slowest round."""
    bars = [
        (f"{case}: {name}" if len(result["timings"]) > 1 else name, timing)
        for case, contenders in result["timings"].items()
        for name, timing in contenders.items()
    ][::-1]
    figure = _figure(7.5, 0.6 + 0.36 * len(bars))
    axes = figure.add_subplot()
    medians = [timing["median"] for _, timing in bars]
    whiskers = [
        [timing["median"] - min(timing["seconds"]) for _, timing in bars],
        [max(timing["seconds"]) - timing["median"] for _, timing in bars],
    ]
    axes.barh([name for name, _ in bars], medians, xerr=whiskers, color=_MET, ecolor=_WHISKER, capsize=2)
    axes.set_xlabel("seconds (median; whiskers: fastest and slowest round)")
    return _saved(figure, plots / f"{result['benchmark']}-{result['size']}.svg", page_folder)


def _figure(width: float, height: float) -> Figure:
    """Inches. Without pyplot, which keeps every figure and looks for a screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _saved(figure: Figure, path: Path, page_folder: Path) -> str:
    """The same bytes for the same figure; the path as the page writes it."""
    from matplotlib import rc_context

    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    with rc_context({"svg.hashsalt": "performance", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path.relative_to(page_folder).as_posix()


def _goal(row: dict[str, Any]) -> str:
    return "" if row["goal"] is None else Goal(**row["goal"]).text(row["unit"])


def _anchor(title: str) -> str:
    kept = "".join(character for character in title.lower() if character.isalnum() or character in " -_")
    return "-".join(kept.split())


def _value(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    print(write_pages())
