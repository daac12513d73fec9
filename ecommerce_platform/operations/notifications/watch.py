"""Finds the news: in Dagster's event log (failed runs, failed blocking checks, confirmed discrepancies), and in the
warehouse's ledger (a day that is late).

What belongs here: reading. What does not: the words of each kind of news (wording.py), delivery (outbox.py, receivers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterEventType, RunStatusChangeRecordsFilter

from ecommerce_platform.operations.notifications.message import Notification
from ecommerce_platform.operations.notifications.wording import (
    FailedCheck,
    checks_failed,
    discrepancies_confirmed,
    first_line,
    run_failed,
    scope_of,
)
from ecommerce_platform.safe_text import visible
from ecommerce_platform.settings import NotificationSettings, SnowflakeSettings
from ecommerce_platform.warehouse.sql.connection import Opener

DISCREPANCY_CHECK = ("reconciliation/order_discrepancies", "confirmed_discrepancies")
ENDED = (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE)
#: Ids of events may become visible out of order (two writers, one slower to commit): so many are looked at again.
OVERLAP = 200
PAGE = 500


@dataclass
class Position:
    """How far the event log has been read: the highest event id, and the ids of the overlap that were seen."""

    last: int | None = None
    seen: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class News:
    """What one ended run says: `over` when it succeeded, so that the trouble of its scope is over."""

    scope: str
    over: bool
    notifications: tuple[Notification, ...]


def read_news(
    instance: dg.DagsterInstance,
    position: Position,
    settings: NotificationSettings,
    is_late: Callable[[], bool] = lambda: False,
) -> list[News]:
    """The news of the runs that ended since `position`, which moves on. A new installation starts with what comes next.

    Stops before the next run once `is_late`; at least one run is read, so that it gets to the end call by call.
    """
    if position.last is None:
        newest = [_newest(instance, kind) for kind in ENDED]
        position.last = max(newest)
        position.seen = [number for number in newest if number]
        return []
    news: list[News] = []
    for record in _fresh(instance, position):
        if (news_of_run := _news_of(instance, record, settings)) is not None:
            news.append(news_of_run)
        position.last = max(position.last, record.storage_id)
        position.seen = sorted(
            number for number in {*position.seen, record.storage_id} if number > position.last - OVERLAP
        )
        if is_late():
            break
    return news


def _fresh(instance: dg.DagsterInstance, position: Position) -> list[dg.EventLogRecord]:
    """The oldest ends of runs that were not read, in order: a page of each kind at most, and none beyond what is complete."""
    start = (position.last or 0) - OVERLAP
    records: dict[int, dg.EventLogRecord] = {}
    complete: list[int] = []
    for kind in ENDED:
        page, more = _ended(instance, kind, start)
        records |= {record.storage_id: record for record in page}
        if more:
            complete.append(page[-1].storage_id)
    numbers = sorted(number for number in records if number > start and number not in position.seen)
    return [records[number] for number in numbers if not complete or number <= min(complete)]


def _newest(instance: dg.DagsterInstance, kind: Any) -> int:
    records = instance.fetch_run_status_changes(kind, limit=1).records
    return records[0].storage_id if records else 0


def _ended(instance: dg.DagsterInstance, kind: Any, after: int) -> tuple[Sequence[dg.EventLogRecord], bool]:
    ended = RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=max(after, 0))
    page = instance.fetch_run_status_changes(ended, limit=PAGE, ascending=True)
    return page.records, page.has_more


def _news_of(instance: dg.DagsterInstance, record: dg.EventLogRecord, settings: NotificationSettings) -> News | None:
    entry = record.event_log_entry
    run = instance.get_run_by_id(entry.run_id)
    if run is None or entry.dagster_event is None:
        return None
    failed = entry.dagster_event.event_type is DagsterEventType.RUN_FAILURE
    steps, checks = _what_failed(instance, run.run_id)
    items = []
    if failed:
        items.append(run_failed(run, steps, entry.dagster_event.message or "", entry.timestamp, settings))
    ordinary = tuple(check for check in checks if (check.asset, check.name) != DISCREPANCY_CHECK)
    if ordinary:
        items.append(checks_failed(run, ordinary, entry.timestamp, settings))
    items += [
        discrepancies_confirmed(run, check, entry.timestamp, settings)
        for check in checks
        if (check.asset, check.name) == DISCREPANCY_CHECK
    ]
    return News(scope_of(run), not failed and not checks, tuple(items))


def _what_failed(instance: dg.DagsterInstance, run_id: str) -> tuple[Mapping[str, str], tuple[FailedCheck, ...]]:
    steps: dict[str, str] = {}
    checks: list[FailedCheck] = []
    cursor: str | None = None
    while True:
        page = instance.get_records_for_run(
            run_id,
            cursor=cursor,
            of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_CHECK_EVALUATION},
            limit=PAGE,
        )
        cursor = page.cursor
        for item in page.records:
            event = item.event_log_entry.dagster_event
            if event is None:
                continue
            if event.event_type is DagsterEventType.STEP_FAILURE:
                error = event.step_failure_data.error
                while error is not None and error.cause is not None:
                    error = error.cause
                # The kind alone: the text of an error of the outside world may hold rows, addresses and secrets. The run has it.
                steps[event.step_key or ""] = (error.cls_name if error else None) or "failed"
            else:
                checks += _failed_check(event.asset_check_evaluation_data)
        if not page.has_more:
            return steps, tuple(checks)


def _failed_check(evaluation: dg.AssetCheckEvaluation) -> list[FailedCheck]:
    if evaluation.passed or evaluation.severity is not dg.AssetCheckSeverity.ERROR or evaluation.blocking is False:
        return []
    orders = evaluation.metadata.get("orders")
    # A check of dbt names rows of the warehouse in its description; those stay with the check.
    has_rows = "failing_rows" in evaluation.metadata
    text = "its rows are with the check" if has_rows else visible(first_line(evaluation.description or ""))
    return [
        FailedCheck(
            evaluation.asset_key.to_user_string(),
            evaluation.check_name,
            text,
            str(orders.value) if orders else "",
        )
    ]


def day_due(now: datetime, hour: int) -> date:
    """The last day that the marts should hold at `now`: yesterday from `hour` on, the day before until then."""
    return (now.astimezone(UTC) - timedelta(days=1, hours=hour)).date()


def missing_tables(open_connection: Opener, snowflake: SnowflakeSettings, day: date) -> tuple[str, ...]:
    """The source tables of which the marts do not hold `day`: what STAGING.APPLIED_DAYS says."""
    from ecommerce_platform.contracts import tables_of_day
    from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS
    from ecommerce_platform.warehouse.sql.presence import rows_or_none

    sql = f"select table_name from {APPLIED_DAYS} where date = %s"
    with open_connection() as connection:
        # None: nothing has ever been loaded.
        rows = rows_or_none(connection, snowflake, APPLIED_DAYS, sql, (day,)) or []
    applied = {str(row[0]) for row in rows}
    return tuple(table for table in tables_of_day(day) if table not in applied)
