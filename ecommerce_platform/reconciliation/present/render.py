"""Pages: self-contained HTML, without a script and without anything that a browser would have to fetch.

What belongs here: filling the templates. What does not: numbers (data.py), words (wording.py), drawings (plots.py).

Everything that comes from data is escaped by the templates; the drawings alone are markup, and their text is escaped by
matplotlib.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ecommerce_platform.daily_metrics import in_report_order
from ecommerce_platform.reconciliation.model import State, Status
from ecommerce_platform.reconciliation.present import plots, wording
from ecommerce_platform.reconciliation.present.data import DayReport, Overview

#: A page stays one that a browser opens at once; what is left out is counted on it.
MOST_FINDINGS = 500
OVERVIEW = "index.html"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ecommerce_platform.reconciliation.present"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(wording=wording, State=State, Status=Status, page_of=page_of)
    return environment


def page_of(day: date) -> str:
    """File name of a date's page."""
    return f"{day.isoformat()}.html"


def day_page(report: DayReport) -> str:
    """The page of one business date."""
    tiers = list(dict.fromkeys(verdict.user_tier for verdict in report.verdicts))
    figures = {(verdict.metric, verdict.user_tier): verdict for verdict in report.verdicts}
    return (
        _environment()
        .get_template("day.html")
        .render(
            report=report,
            title=f"Reconciliation of {report.date}",
            sentence=wording.day_sentence(report),
            standing=_standing(report),
            metrics=in_report_order(verdict.metric for verdict in report.verdicts),
            tiers=tiers,
            figures=figures,
            findings=report.discrepancies[:MOST_FINDINGS],
            left_out=max(0, len(report.discrepancies) - MOST_FINDINGS),
            curve=Markup(plots.convergence_curve(report.results)) if report.results else "",  # noqa: S704 (our drawing)
            differences=Markup(plots.metric_differences(report.verdicts)) if report.verdicts else "",  # noqa: S704
        )
    )


def overview_page(all_days: Overview, pages: Collection[date]) -> str:
    """The page of all dates; those of `pages` are linked."""
    halves = [state.course.half_life for state in all_days.dates if state.course.half_life is not None]
    return (
        _environment()
        .get_template("overview.html")
        .render(
            all_days=all_days,
            title="Convergence of the speed layer and the batch layer",
            sentence=wording.overview_sentence(all_days),
            standing=_overview_standing(all_days),
            pages=frozenset(pages),
            half_life=sorted(halves)[len(halves) // 2] if halves else None,
            heat=Markup(plots.heat_map(all_days)) if all_days.dates else "",  # noqa: S704
            curve=Markup(plots.open_orders(all_days)) if all_days.dates else "",  # noqa: S704
            bounds=plots.HEAT_BOUNDS,
        )
    )


def _standing(report: DayReport) -> tuple[str, str]:
    """The badge's colour and word."""
    latest = report.latest
    if latest is None:
        return "muted", "not reconciled"
    if report.count(State.CONFIRMED):
        return "error", "confirmed discrepancies"
    if not latest.converged:
        return "warn", "not converged"
    if any(verdict.status is Status.ERROR for verdict in report.off):
        return "error", "metric off"
    return ("warn", "metric off") if report.off else ("ok", "converged")


def _overview_standing(all_days: Overview) -> tuple[str, str]:
    if not all_days.dates:
        return "muted", "nothing yet"
    if any(state.latest.confirmed for state in all_days.open_dates):
        return "error", "confirmed discrepancies"
    return ("warn", "converging") if all_days.open_dates else ("ok", "converged")
