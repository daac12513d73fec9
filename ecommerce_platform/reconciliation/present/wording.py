"""Verdicts in one sentence, and values as people read them. Pure.

What belongs here: English. What does not: markup (render.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ecommerce_platform.daily_metrics import MOST_PLACES, metric_named
from ecommerce_platform.reconciliation.model import MetricVerdict, State
from ecommerce_platform.reconciliation.present.data import DayReport, Overview
from ecommerce_platform.reconciliation.verdicts.explain import plain


def count(number: int, thing: str) -> str:
    """`1 order`, `2 orders`, `1,000 orders`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def day_sentence(report: DayReport) -> str:
    """How the date stands, in a sentence."""
    latest, course = report.latest, report.course
    if latest is None or course is None:
        return f"{report.date} has not been reconciled yet."
    metrics = f"{count(len(report.off), 'metric')} over tolerance" if report.off else "every metric within tolerance"
    if latest.differing:
        least = "" if latest.complete else "at least "
        verb = "differs" if latest.differing == 1 else "differ"
        return (
            f"{report.date} has not converged: {least}{count(latest.differing, 'order')} {verb}, "
            f"{report.count(State.CONFIRMED)} confirmed, with {metrics}."
        )
    if not latest.complete:
        return f"{report.date} was not examined wholly: a limit cut the search short, so nothing is said of the rest."
    taken = course.time_to_convergence
    since = f", {duration(taken)} after they first differed" if taken else ""
    return f"{report.date} has converged: the layers agree on every order{since}, with {metrics}."


def overview_sentence(all_days: Overview) -> str:
    """How all dates stand, in a sentence."""
    if not all_days.dates:
        return "No business date has been reconciled yet."
    if not all_days.open_dates:
        return f"All {count(len(all_days.dates), 'business date')} have converged; verified through {all_days.verified_through}."
    orders = sum(state.latest.differing for state in all_days.open_dates)
    has = "has" if len(all_days.open_dates) == 1 else "have"
    through = (
        f"verified through {all_days.verified_through}" if all_days.verified_through else "no date is verified yet"
    )
    return (
        f"{len(all_days.open_dates)} of {count(len(all_days.dates), 'business date')} {has} not converged "
        f"({count(orders, 'order')}); {through}."
    )


def duration(value: timedelta | None) -> str:
    """A span of time in its two largest units; empty when there is none."""
    if value is None:
        return ""
    seconds = round(value.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "at once"


def moment(value: datetime | None) -> str:
    """A time in UTC to the second; a dash when there is none."""
    return "—" if value is None else str(plain(value)).partition(".")[0]


def number(value: Decimal) -> str:
    """A figure with separators: counts without places, money with cents."""
    return f"{value:,.0f}" if value == value.to_integral_value() and value.as_tuple().exponent == 0 else f"{value:,.2f}"


def figure(verdict: MetricVerdict, value: Decimal) -> str:
    """A metric's value: counts are whole, money has cents."""
    metric = metric_named(verdict.metric)
    return f"{value:,.{MOST_PLACES if metric is None else metric.places}f}"


def metric_label(name: str) -> str:
    """How a report calls a metric."""
    metric = metric_named(name)
    return name.replace("_", " ") if metric is None else metric.label


def percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"
