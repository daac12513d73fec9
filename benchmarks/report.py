"""docs/performance.md and its plots, from the result files: python -m benchmarks.report

What belongs here: the page's text and plots. What does not: measuring. What people must know of a benchmark is written in
its module's docstring and notes, so that the page can be rebuilt at any time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import simulate
from benchmarks.harness import Goal, number
from benchmarks.results import RESULTS, read_all

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "performance.md"
PLOTS = PROJECT / "docs" / "performance"
HEAD = """\
# Performance: measured beside what people would use instead

This page is written by `python -m benchmarks.report` from `benchmarks/results/`; do not edit it.

`make benchmark` runs everything side by side in one go on the machine at hand, `make benchmark-quick` with small data in under
ten minutes. Contenders take turns (A B A B …), their results are held equal first, and the median of the rounds' ratios is
what counts: a ratio of one run is a result, an absolute time is not. Nothing is made faster by doing less: gates, ledger,
checks and exactness are on in every measured run. Lines that begin with `GOAL MISSED` make both commands end with an exit code
other than zero.
"""
ENGINES = """\
The engines under measurement are those of one machine: the stand-ins (DuckDB behind Snowflake's protocol, chDB behind
ClickHouse's) and Spark in local mode. Ratios between ways of using the same engine carry over to the real services as far as
the work does; times do not.
"""

_NOISE = "rounds differ widely, and a ratio near 1 can fall on either side of it. Measure again on an idle machine."


def write_page(folder: Path = RESULTS, page: Path = PAGE, plots: Path = PLOTS) -> Path:
    """Write the page and one plot for each result that has timings."""
    results = read_all(folder)
    parts = [HEAD, ENGINES, _summary(results)]
    parts += [_section(result, plots) for result in results]
    page.parent.mkdir(parents=True, exist_ok=True)
    handwritten = Path(__file__).resolve().parent / "growth.md"
    if handwritten.exists():
        parts.append(_with_simulation(handwritten.read_text().strip(), results) + "\n")
    page.write_text("\n".join(parts))
    return page


def _with_simulation(text: str, results: list[dict[str, Any]]) -> str:
    """The text with the simulation's tables in their places, or with what they lack."""
    try:
        day, grid = simulate.standard_day(results), simulate.standard_grid(results)
    except KeyError as missing:
        day = grid = f"({missing.args[0]})"
    return text.replace("{simulated day}", day).replace("{simulated grid}", grid)


def _summary(results: list[dict[str, Any]]) -> str:
    lines = ["| benchmark | size | what | measured | goal | |", "|---|---|---|---|---|---|"]
    for result in results:
        for row in result["rows"]:
            if row["goal"] is None:
                continue
            lines.append(
                f"| [{result['benchmark']}](#{_anchor(result)}) | {result['size']} | {row['name']} "
                f"| {number(row['value'])}{row['unit']} | {_goal(row)} | {'met' if row['met'] else '**missed**'} |"
            )
    return "\n".join(lines) + "\n"


def _section(result: dict[str, Any], plots: Path) -> str:
    machine, load = result["machine"], result["load_average"]
    lines = [f"## {result['title']} ({result['size']})", ""]
    lines.append(f"Data: {'; '.join(f'{name} {_value(value)}' for name, value in result['data'].items())}.")
    lines.append("")
    lines += ["| | measured | goal | |", "|---|---|---|---|"]
    lines += [
        f"| {row['name']} | {number(row['value'])}{row['unit']} | {_goal(row)} "
        f"| {'' if row['goal'] is None else 'met' if row['met'] else '**missed**'} |"
        for row in result["rows"]
    ]
    if result["timings"]:
        lines += ["", *_timings(result), "", f"![{result['title']}](performance/{_plot(result, plots)})"]
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


def _plot(result: dict[str, Any], plots: Path) -> str:
    """Horizontal bars of median seconds with whiskers from the fastest to the slowest round; grey enough for any theme."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    bars = [
        (f"{case}: {name}" if len(result["timings"]) > 1 else name, timing)
        for case, contenders in result["timings"].items()
        for name, timing in contenders.items()
    ][::-1]
    with pyplot.rc_context({"svg.hashsalt": "performance", "font.size": 9, "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(7.5, 0.6 + 0.36 * len(bars)), layout="constrained")
        medians = [timing["median"] for _, timing in bars]
        whiskers = [
            [timing["median"] - min(timing["seconds"]) for _, timing in bars],
            [max(timing["seconds"]) - timing["median"] for _, timing in bars],
        ]
        axes.barh([name for name, _ in bars], medians, xerr=whiskers, color="#4c78a8", ecolor="#888888", capsize=2)
        axes.set_xlabel("seconds (median; whiskers: fastest and slowest round)")
        axes.spines[["top", "right"]].set_visible(False)
        plots.mkdir(parents=True, exist_ok=True)
        name = f"{result['benchmark']}-{result['size']}.svg"
        figure.savefig(plots / name, metadata={"Date": None})
        pyplot.close(figure)
    return name


def _goal(row: dict[str, Any]) -> str:
    return "" if row["goal"] is None else Goal(**row["goal"]).text(row["unit"])


def _anchor(result: dict[str, Any]) -> str:
    kept = "".join(
        character
        for character in f"{result['title']} {result['size']}".lower()
        if character.isalnum() or character in " -_"
    )
    return "-".join(kept.split())


def _value(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    print(write_page())
