"""The words of each kind of news, as notifications.

What belongs here: title, text, links and identity of a message. What does not: finding the news (watch.py), delivery (outbox.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from ecommerce_platform.operations.notifications.message import SECTION, Kind, Notification
from ecommerce_platform.settings import NotificationSettings

MOST_CHECKS_IN_A_TEXT = 20


@dataclass(frozen=True)
class FailedCheck:
    """A blocking check that did not pass."""

    asset: str
    name: str
    text: str
    orders: str = ""


def days_of(run: dg.DagsterRun) -> str:
    """The run's partition, or its range, in words."""
    first = run.tags.get("dagster/asset_partition_range_start")
    last = run.tags.get("dagster/asset_partition_range_end")
    if first and last:
        return first if first == last else f"{first} to {last}"
    return run.tags.get("dagster/partition", "no partition")


def scope_of(run: dg.DagsterRun) -> str:
    return f"{run.job_name}|{days_of(run)}"


def run_failed(
    run: dg.DagsterRun, steps: Mapping[str, str], message: str, at: float, settings: NotificationSettings
) -> Notification:
    """A run that failed. The same steps of the same days again, by a retry, are not news."""
    named = "\n".join(f"• {step.replace('__', '/')}: {text}" for step, text in steps.items())
    return _notification(
        Kind.RUN_FAILED,
        (scope_of(run), *sorted(steps)),
        scope_of(run),
        f"{run.job_name} failed for {days_of(run)}",
        named or first_line(message) or "the run ended without an error message; its process died",
        run,
        at,
        settings,
    )


def checks_failed(
    run: dg.DagsterRun, checks: tuple[FailedCheck, ...], at: float, settings: NotificationSettings
) -> Notification:
    """Blocking checks that failed in one run: one message, however many they are."""
    names = sorted(f"{check.asset}:{check.name}" for check in checks)
    lines = [f"• {check.asset} {check.name}: {check.text}" for check in checks[:MOST_CHECKS_IN_A_TEXT]]
    if len(checks) > MOST_CHECKS_IN_A_TEXT:
        lines.append(f"• and {len(checks) - MOST_CHECKS_IN_A_TEXT} more")
    what = "1 blocking check" if len(checks) == 1 else f"{len(checks)} blocking checks"
    return _notification(
        Kind.CHECK_FAILED,
        (scope_of(run), *names),
        scope_of(run),
        f"{what} failed for {days_of(run)}",
        "\n".join(lines),
        run,
        at,
        settings,
    )


def discrepancies_confirmed(
    run: dg.DagsterRun, check: FailedCheck, at: float, settings: NotificationSettings
) -> Notification:
    """Orders that differ beyond the lag window. The same orders at the next reconciliation are not news; others are."""
    text = f"{check.text}: {check.orders}"[:1500] if check.orders else check.text
    return _notification(
        Kind.DISCREPANCY_CONFIRMED,
        (check.text, check.orders),
        "reconciliation",
        "Speed and batch layer differ: confirmed discrepancies",
        text,
        run,
        at,
        settings,
    )


def day_late(day: date, missing: Iterable[str], at: float, hour: int, settings: NotificationSettings) -> Notification:
    """Yesterday is not in the marts although it should be."""
    return Notification(
        key=_key(Kind.DAY_LATE, (day.isoformat(),)),
        kind=Kind.DAY_LATE,
        scope=f"day|{day}",
        title=f"{day} is late",
        text=f"At {hour:02d}:00 UTC the marts should hold {day}; not applied yet: {', '.join(sorted(missing))}.",
        links=(("Automation", f"{_base(settings.ui_url)}/automation"), _runbook(Kind.DAY_LATE, settings)),
        happened_at=at,
        facts={"day": day.isoformat()},
    )


def _notification(
    kind: Kind,
    identity: tuple[str, ...],
    scope: str,
    title: str,
    text: str,
    run: dg.DagsterRun,
    at: float,
    settings: NotificationSettings,
) -> Notification:
    links = (("Run in Dagster", f"{_base(settings.ui_url)}/runs/{run.run_id}"), _runbook(kind, settings))
    facts = {"run_id": run.run_id, "job": run.job_name, "days": days_of(run)}
    return Notification(_key(kind, identity), kind, scope, title, text, links, at, facts)


def _runbook(kind: Kind, settings: NotificationSettings) -> tuple[str, str]:
    return "Runbook", f"{settings.runbook_url}#{SECTION[kind]}"


def _base(url: str) -> str:
    return url.rstrip("/")


def _key(kind: Kind, identity: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join((kind.value, *identity)).encode()).hexdigest()[:24]


def first_line(text: str) -> str:
    """The first line with text, cut to 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else ""
