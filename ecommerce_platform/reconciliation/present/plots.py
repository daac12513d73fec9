"""Plots as inline SVG that takes its colours from the page, and as a small PNG where no page is.

What belongs here: drawing with matplotlib. What does not: which numbers matter (data.py).

matplotlib writes colours into the SVG as literal values. Each colour here is a mark of its own that is replaced by a CSS
variable, so that one drawing is readable on light and on dark. Text stays text, and ids are made unique, since several drawings
share a page.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ecommerce_platform.daily_metrics import in_report_order
from ecommerce_platform.metrics import TIERS
from ecommerce_platform.reconciliation.model import ALL_TIERS, MetricVerdict, Status
from ecommerce_platform.reconciliation.present.data import Overview
from ecommerce_platform.reconciliation.present.wording import metric_label
from ecommerce_platform.reconciliation.verdicts.converge import DayResult

#: Mark → CSS variable. The marks are colours that nothing else uses.
INK, MUTED, LINE, ACCENT, OK, WARN, ERROR = (f"#0101{number:02d}" for number in range(10, 17))
HEAT = tuple(f"#0102{number:02d}" for number in range(10, 15))
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    ACCENT: "--accent",
    OK: "--ok",
    WARN: "--warn",
    ERROR: "--error",
}
_VARIABLES |= {mark: f"--heat-{level}" for level, mark in enumerate(HEAT)}
#: Where no page gives colours: greys and hues of middle lightness, readable on white and on black.
_FIXED = {
    INK: "#808080",
    MUTED: "#808080",
    LINE: "#80808066",
    ACCENT: "#3b82f6",
    OK: "#22a06b",
    WARN: "#d08700",
    ERROR: "#e5484d",
}
#: Orders that differ, upper bounds of the heat map's levels.
HEAT_BOUNDS = (0, 1, 10, 100)
MOST_DATES, MOST_RUNS = 120, 40
#: Inches: a drawing's text comes out at the size of the page's when these match the width that the page gives it.
HALF_WIDTH, FULL_WIDTH = (5.6, 2.7), 11.0
#: Metrics beside each other in a drawing.
METRICS_IN_A_ROW = 4
# Matplotlib types the names of its parameters one by one.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecommerce-platform",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "figure.constrained_layout.use": True,
}


def convergence_curve(results: Sequence[DayResult]) -> str:
    """Orders of one date that differ, and that lag, over its reconciliations."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=HALF_WIDTH)
        _curve(figure.add_subplot(), results)
        return _svg(figure, "curve", f"Orders that differ at each of {len(results)} reconciliations")


def convergence_png(results: Sequence[DayResult]) -> str:
    """The curve of all dates of a run's history together, as a data address for Markdown."""
    style: Any = {key: _FIXED.get(value, value) if isinstance(value, str) else value for key, value in _STYLE.items()}
    with mpl.rc_context(style):
        figure = Figure(figsize=(6, 1.9))
        _curve(figure.add_subplot(), _summed(results), _FIXED)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=90, transparent=True)
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


def _curve(axes: Axes, results: Sequence[DayResult], colours: dict[str, str] | None = None) -> None:
    def pick(mark: str) -> str:
        return colours[mark] if colours else mark

    # matplotlib takes datetimes, its types know numbers alone.
    times: Any = [_naive(result.at) for result in results]
    differing, lagging = [item.differing for item in results], [item.lagging for item in results]
    axes.step(times, differing, where="post", color=pick(ACCENT), linewidth=1.8, label="differ")
    axes.fill_between(times, differing, step="post", color=pick(ACCENT), alpha=0.12, linewidth=0)
    for verdict, mark in ((False, ERROR), (True, OK)):
        points = [
            (at, many) for at, many, item in zip(times, differing, results, strict=True) if item.converged is verdict
        ]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, s=26, color=pick(mark), zorder=3, label="converged" if verdict else None)
    if any(lagging):
        axes.plot(times, lagging, color=pick(MUTED), linestyle=":", linewidth=1.4, label="lag")
    axes.set_ylim(bottom=0, top=max(1, *differing, *lagging) * 1.15)
    axes.set_ylabel("orders")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if len({*times}) == 1:
        axes.set_xticks([times[0]], [times[0].strftime("%Y-%m-%d %H:%M")])
    else:
        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.legend(loc="upper right", ncols=3, fontsize=8)


def metric_differences(verdicts: Sequence[MetricVerdict]) -> str:
    """How far each metric is apart, for all customers and each tier, against its limits."""
    tiers = [tier for tier in (ALL_TIERS, *TIERS, "unknown") if any(v.user_tier == tier for v in verdicts)]
    marks = {Status.OK: OK, Status.WARN: WARN, Status.ERROR: ERROR}
    with mpl.rc_context(_STYLE):
        metrics = in_report_order(v.metric for v in verdicts)
        columns = max(1, min(len(metrics), METRICS_IN_A_ROW))
        rows = max(1, -(-len(metrics) // columns))
        figure = Figure(figsize=(HALF_WIDTH[0], HALF_WIDTH[1] * rows))
        axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axis in axes.flat[len(metrics) :]:
            axis.set_visible(False)
        for axis, metric in zip(axes.flat, metrics, strict=False):
            of_metric = {v.user_tier: v for v in verdicts if v.metric == metric}
            shown = [of_metric[tier] for tier in tiers if tier in of_metric]
            widths = [min(float(v.percentage_difference), 1.0) * 100 for v in shown]
            axis.barh(range(len(shown)), widths, color=[marks[v.status] for v in shown], height=0.62)
            for share in {(v.tolerance, WARN) for v in shown} | {(v.failure, ERROR) for v in shown}:
                axis.axvline(float(share[0]) * 100, color=share[1], linestyle="--", linewidth=1)
            axis.set_xlim(0, max([*widths, *(float(v.failure) * 130 for v in shown)], default=1) * 1.05)
            axis.set_title(_two_lines(metric_label(metric)), fontsize=9, color=INK, loc="left")
            axis.set_yticks(range(len(shown)), [v.user_tier for v in shown])
            axis.xaxis.set_major_locator(MaxNLocator(3))
            axis.set_xlabel("% of batch", fontsize=8)
            axis.grid(visible=False, axis="y")
        axes[0, 0].invert_yaxis()
        return _svg(figure, "metrics", "Difference of each metric and tier as a share of the batch value")


def _two_lines(label: str) -> str:
    """The first word on a line of its own: a drawing of one metric is narrow."""
    return label.replace(" ", "\n", 1)


def heat_map(all_days: Overview) -> str:
    """Business dates by reconciliations: how many orders differed each time."""
    dates = [state.date for state in all_days.dates][-MOST_DATES:]
    times = sorted({result.at for result in all_days.results})[-MOST_RUNS:]
    column = {day: place for place, day in enumerate(dates)}
    row = {at: place for place, at in enumerate(times)}
    with mpl.rc_context(_STYLE | {"axes.grid": False}):
        height = min(5.0, 1.5 + 0.22 * len(times))
        figure = Figure(figsize=(FULL_WIDTH, height))
        axes = figure.add_subplot()
        shown = [result for result in all_days.results if result.date in column and result.at in row]
        places = [(column[result.date] + 0.06, row[result.at] + 0.1) for result in shown]
        colors = [HEAT[level(result)] for result in shown]
        # As one collection: patches that are added one by one each work out the limits of the axes again.
        axes.add_collection(
            PatchCollection([Rectangle(place, 0.88, 0.8) for place in places], facecolors=colors, linewidths=0)
        )
        axes.set_xlim(0, len(dates))
        axes.set_ylim(len(times), 0)
        step = max(1, len(dates) // 8)
        axes.set_xticks([place + 0.5 for place in range(0, len(dates), step)], [str(day)[5:] for day in dates[::step]])
        stride = max(1, len(times) // 8)
        axes.set_yticks(
            [place + 0.5 for place in range(0, len(times), stride)],
            [at.strftime("%m-%d %H:%M") for at in times[::stride]],
        )
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.set_xlabel("business date")
        axes.set_ylabel("reconciled at (UTC)")
        return _svg(figure, "heat", f"{len(dates)} business dates over {len(times)} reconciliations")


def level(result: DayResult) -> int:
    """Which colour of the heat map a result has: 0 converged … 4 more than a hundred orders."""
    if result.converged:
        return 0
    return next(
        (place for place, bound in enumerate(HEAT_BOUNDS) if place and result.differing <= bound), len(HEAT) - 1
    )


def open_orders(all_days: Overview) -> str:
    """Orders that differ over all dates, reconciliation by reconciliation."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(FULL_WIDTH, 2.6))
        _curve(figure.add_subplot(), _summed(all_days.results)[-MOST_RUNS * 5 :])
        return _svg(figure, "open", "Orders that differ on all business dates over time")


def _summed(results: Sequence[DayResult]) -> list[DayResult]:
    """One result a reconciliation, over all dates as they were last known then."""
    last: dict[Any, DayResult] = {}
    summed: list[DayResult] = []
    ordered = sorted(results, key=lambda item: item.at)
    for place, result in enumerate(ordered):
        last[result.date] = result
        if place + 1 == len(ordered) or ordered[place + 1].at != result.at:
            known = last.values()
            summed.append(
                DayResult(
                    result.run_id,
                    result.date,
                    result.at,
                    sum(item.suspected for item in known),
                    sum(item.confirmed for item in known),
                    sum(item.healed for item in known),
                    sum(item.lagging for item in known),
                    all(item.complete for item in known),
                )
            )
    return summed


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def _svg(figure: Figure, name: str, label: str) -> str:
    text = io.StringIO()
    figure.savefig(
        text, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Type": None, "Format": None}
    )
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for mark, variable in _VARIABLES.items():
        svg = svg.replace(mark, f"var({variable})")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r'font: [^;"]*?(\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px; font-family: inherit", svg)
    head = f'<svg role="img" aria-label="{escape(label)}" class="plot"'
    return re.sub(r'^<svg(?: width="[^"]*")?(?: height="[^"]*")?', head, svg)
