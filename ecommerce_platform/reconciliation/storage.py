"""Reading and writing RECONCILIATION.*: history of reconciliations, and where each discrepancy stands.

What belongs here: rows to dataclasses and back, in one transaction for each reconciliation. What does not: DDL (tables.py) and
what the states mean (converge.py).

A reconciliation is written whole or not at all, and a second time under the same run id replaces the first. It is written only
on top of what it read when it began: where another was written since, it must be made again (`Overtaken`), because all open
discrepancies are replaced by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ecommerce_platform.reconciliation import tables
from ecommerce_platform.reconciliation.converge import DayCourse, DayResult, courses
from ecommerce_platform.reconciliation.model import (
    BatchEvent,
    Discrepancy,
    Finding,
    MetricVerdict,
    Reason,
    ReconciliationError,
    State,
)
from ecommerce_platform.warehouse.conditions import date_condition
from ecommerce_platform.warehouse.connection import execute, fetch_all, transaction
from ecommerce_platform.warehouse.lease import RECONCILIATION, lock
from ecommerce_platform.warehouse.migrations import ensure_version
from ecommerce_platform.warehouse.schema import ensure_current

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: The last reconciliation that was written: its run and the time at which it ended; empty before the first.
Version = tuple[tuple[str, datetime], ...]


class Overtaken(ReconciliationError):
    """Another reconciliation was written while this one measured."""


#: Snowflake takes statements of up to a megabyte.
_ROWS_IN_AN_INSERT = 1000


@dataclass(frozen=True)
class RunRecord:
    """What is written of a reconciliation as a whole."""

    run_id: str
    start_time: datetime
    end_time: datetime
    cut_off: datetime | None
    days: tuple[date, ...]
    dates: tuple[date, ...]
    orders_differing: int
    orders_lagging: int
    complete: bool
    verdict: str
    verified_through: date | None


@dataclass(frozen=True)
class Store:
    """The room's tables behind a connection."""

    connection: SnowflakeConnection

    def create(self) -> None:
        """Create what is missing and bring it to this release's version; three queries when it is there. Raises WarehouseError
        when a newer release made the tables."""
        ensure_current(self.connection)
        ensure_version(self.connection, tables.VERSION, tables.statements())
        wanted = {name.partition(".")[2].upper() for name in (*tables.TABLES, tables.LATEST_METRICS)}
        found = fetch_all(
            self.connection, "select table_name from information_schema.tables where table_schema = 'RECONCILIATION'"
        )
        if wanted - {name for (name,) in found}:
            for statement in tables.statements():
                execute(self.connection, statement)

    def open_discrepancies(self) -> list[Discrepancy]:
        """Those that have not healed."""
        return self._discrepancies("state <> 'healed'")

    def discrepancies(self, dates: Sequence[date] | None = None) -> list[Discrepancy]:
        """All of `dates` (None: of any date), healed ones included."""
        return self._discrepancies("1 = 1" if dates is None else date_condition("date", dates))

    def discrepancies_of_order(self, order_id: int) -> list[Discrepancy]:
        """The order's episodes, in the order in which they were first seen."""
        return self._discrepancies(f"order_id = {int(order_id)}")

    def _discrepancies(self, condition: str) -> list[Discrepancy]:
        names = list(tables.DISCREPANCY_COLUMNS)
        sql = f"select {', '.join(names)} from {tables.DISCREPANCIES} where {condition} order by order_id, first_seen"
        return [_discrepancy(dict(zip(names, row, strict=True))) for row in fetch_all(self.connection, sql)]

    def day_results(self, excluding_run: str | None = None, dates: Sequence[date] | None = None) -> list[DayResult]:
        """The results of `dates` (None: of all) at all reconciliations, but for those of `excluding_run`, which is about to
        be written."""
        on = "1 = 1" if dates is None else date_condition("date", dates)
        return self._day_results(f"run_id <> %s and {on}", (excluding_run or "",))

    def open_day_results(self) -> list[DayResult]:
        """Every result of the days that had not converged at their last reconciliation."""
        return self._day_results(f"""date in (
            select date
            from {tables.CONVERGENCE}
            qualify row_number() over (partition by date order by reconciled_at desc, run_id desc) = 1 and not converged
        )""")

    def _day_results(self, condition: str, parameters: Sequence[object] = ()) -> list[DayResult]:
        sql = f"""
            select run_id, date, reconciled_at, suspected, confirmed, healed, lagging, complete
            from {tables.CONVERGENCE}
            where {condition}
        """
        return [
            DayResult(
                run_id, day, _aware(at), int(suspected), int(confirmed), int(healed), int(lagging), bool(complete)
            )
            for run_id, day, at, suspected, confirmed, healed, lagging, complete in fetch_all(
                self.connection, sql, parameters
            )
        ]

    def verified_through(self) -> date | None:
        """The durable gate: up to which business date the layers agreed at the last reconciliation."""
        found = fetch_all(self.connection, f"select verified_through from {tables.VERIFIED}")
        return found[0][0] if found else None

    def version(self) -> Version:
        """Changes with each reconciliation that is written."""
        return tuple(fetch_all(self.connection, f"select run_id, recorded_at from {tables.VERIFIED}"))

    def write(
        self,
        since: Version,
        run: RunRecord,
        verdicts: Sequence[MetricVerdict],
        lagging: Mapping[date, int],
        discrepancies: Sequence[Discrepancy],
        results: Sequence[DayResult],
        course_of: Mapping[date, DayCourse],
    ) -> None:
        """Write one reconciliation, in one transaction. `since` is the version that it began with.

        Raises Overtaken when another was written since.
        """
        with transaction(self.connection):
            lock(self.connection, RECONCILIATION)
            if self.version() != since:
                raise Overtaken(
                    f"another reconciliation was written while {run.run_id} measured; expected the state that it began with. "
                    "Reconcile again"
                )
            for table in (tables.RUNS, tables.METRICS, tables.CONVERGENCE):
                execute(self.connection, f"delete from {table} where run_id = %s", (run.run_id,))
            self._insert(tables.RUNS, [_run_row(run)])
            self._insert(tables.METRICS, [_metric_row(run, verdict, lagging) for verdict in verdicts])
            self._insert(
                tables.CONVERGENCE, [_convergence_row(run, result, course_of[result.date]) for result in results]
            )
            execute(self.connection, f"delete from {tables.DISCREPANCIES} where state <> 'healed'")
            self._insert(tables.DISCREPANCIES, [_discrepancy_row(item) for item in discrepancies])
            execute(self.connection, f"delete from {tables.VERIFIED}")
            self._insert(tables.VERIFIED, [(run.verified_through, run.run_id, _plain(run.end_time))])

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Rows as JSON arrays, unpacked by the server: a VALUES list of thousands of rows takes seconds to parse.

        Exact: decimals and times travel as text and are cast to the column's type.
        """
        columns = tables.TABLES[table][0]
        picked = ", ".join(
            f"entry.value[{place}]::{type_.removesuffix(' not null')}" for place, type_ in enumerate(columns.values())
        )
        sql = f"""
            insert into {table} ({", ".join(columns)})
            select {picked} from table(flatten(input => parse_json(%s))) as entry
        """
        for start in range(0, len(rows), _ROWS_IN_AN_INSERT):
            part = rows[start : start + _ROWS_IN_AN_INSERT]
            execute(self.connection, sql, (json.dumps(part, default=str, ensure_ascii=False),))


def course_of_days(earlier: Iterable[DayResult], now: Iterable[DayResult]) -> dict[date, DayCourse]:
    """Courses of all days, the present reconciliation included."""
    return courses([*earlier, *now])


def _run_row(run: RunRecord) -> tuple[Any, ...]:
    return (
        run.run_id,
        _plain(run.start_time),
        _plain(run.end_time),
        _plain(run.cut_off),
        min(run.days, default=None),
        max(run.days, default=None),
        len(run.dates),
        run.orders_differing,
        run.orders_lagging,
        run.complete,
        run.verdict,
        run.verified_through,
    )


def _metric_row(run: RunRecord, verdict: MetricVerdict, lagging: Mapping[date, int]) -> tuple[Any, ...]:
    return (
        run.run_id,
        _plain(run.start_time),
        _plain(run.end_time),
        verdict.date,
        verdict.metric,
        verdict.user_tier,
        verdict.speed_value,
        verdict.batch_value,
        verdict.difference,
        verdict.percentage_difference,
        verdict.tolerance,
        verdict.failure,
        verdict.within_tolerance,
        verdict.status.value,
        _plain(run.cut_off),
        lagging.get(verdict.date, 0),
        f"metric={verdict.metric},user_tier={verdict.user_tier}",
    )


def _convergence_row(run: RunRecord, result: DayResult, course: DayCourse) -> tuple[Any, ...]:
    taken = course.time_to_convergence
    return (
        result.run_id,
        result.date,
        _plain(result.at),
        _plain(run.cut_off),
        result.suspected,
        result.confirmed,
        result.healed,
        result.lagging,
        result.complete,
        result.converged,
        _plain(course.diverged_at),
        _plain(course.converged_at) if course.converged else None,
        None if taken is None else round(taken.total_seconds()),
        None if course.half_life is None else round(course.half_life.total_seconds()),
    )


def _discrepancy_row(item: Discrepancy) -> tuple[Any, ...]:
    finding, origin = item.finding, item.finding.lineage
    return (
        finding.date,
        finding.order_id,
        finding.reason.value,
        item.state.value,
        finding.speed_value,
        finding.batch_value,
        ",".join(finding.columns),
        finding.detail,
        _plain(item.first_seen),
        _plain(item.last_seen),
        _plain(item.healed_at),
        item.first_run_id,
        item.run_id,
        finding.speed_lsn,
        finding.batch_lsn,
        _plain(finding.speed_event_time),
        _plain(finding.batch_event_time),
        origin.landing_date if origin else None,
        origin.source_file if origin else None,
        origin.source_row if origin else None,
        origin.snapshot_id if origin else None,
        origin.batch_id if origin else None,
    )


def _discrepancy(row: Mapping[str, Any]) -> Discrepancy:
    origin = None
    if row["landing_file"] is not None:
        origin = BatchEvent(
            order_id=int(row["order_id"]),
            op="",
            lsn=_integer(row["batch_lsn"]),
            event_time=_aware(row["batch_event_time"]),
            values={},
            landing_date=row["landing_date"],
            source_file=row["landing_file"],
            source_row=int(row["landing_row"]),
            batch_id=row["batch_id"],
            snapshot_id=_integer(row["iceberg_snapshot_id"]),
        )
    finding = Finding(
        order_id=int(row["order_id"]),
        date=row["date"],
        reason=Reason(row["reason"]),
        columns=tuple(filter(None, (row["differing_columns"] or "").split(","))),
        speed_value=row["speed_value"],
        batch_value=row["batch_value"],
        detail=row["detail"] or "",
        speed_lsn=_integer(row["speed_lsn"]),
        batch_lsn=_integer(row["batch_lsn"]),
        speed_event_time=_aware(row["speed_event_time"]),
        batch_event_time=_aware(row["batch_event_time"]),
        lineage=origin,
    )
    return Discrepancy(
        finding,
        State(row["state"]),
        _aware(row["first_seen"]),
        _aware(row["last_seen"]),
        row["first_run_id"],
        row["run_id"],
        _aware(row["healed_at"]) if row["healed_at"] else None,
    )


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _plain(value: datetime | None) -> datetime | None:
    """For TIMESTAMP_NTZ: UTC without a zone."""
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def _aware(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
