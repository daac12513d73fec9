"""Reading and writing RECONCILIATION.*: history of reconciliations, and where each discrepancy stands.

What belongs here: reading and writing, in one transaction for each reconciliation. What does not: DDL (tables.py), what is in
which column (rows.py) and what the states mean (converge.py).

A reconciliation is written whole or not at all, and a second time under the same run id replaces the first. It is written only
on top of what it read when it began: where another was written since, it must be made again (`Overtaken`), because all open
discrepancies are replaced by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ecommerce_platform.reconciliation.model import (
    Discrepancy,
    MetricVerdict,
    ReconciliationError,
)
from ecommerce_platform.reconciliation.record import tables
from ecommerce_platform.reconciliation.record.rows import (
    RunRecord,
    aware_time,
    convergence_row,
    discrepancy_of,
    discrepancy_row,
    metric_row,
    plain_time,
    run_row,
)
from ecommerce_platform.reconciliation.verdicts.converge import DayCourse, DayResult, courses
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.schema.lease import RECONCILIATION, lock
from ecommerce_platform.warehouse.schema.migrations import ensure_version
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.conditions import date_condition
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all, transaction

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

#: The last reconciliation that was written: its run and the time at which it ended; empty before the first.
Version = tuple[tuple[str, datetime], ...]


class Overtaken(ReconciliationError):
    """Another reconciliation was written while this one measured."""


#: Snowflake takes statements of up to a megabyte.
_ROWS_IN_AN_INSERT = 1000


@dataclass(frozen=True)
class Store:
    """The room's tables behind a connection."""

    connection: SnowflakeConnection

    def create(self) -> None:
        """Create what is missing and bring it to this release's version; three queries when it is there. Raises WarehouseError
        when a newer release made the tables."""
        ensure_current(self.connection)
        ensure_version(self.connection, tables.VERSION, tables.statements())
        expected = {name.partition(".")[2].upper() for name in (*tables.TABLES, tables.LATEST_METRICS)}
        existing = fetch_all(
            self.connection, "select table_name from information_schema.tables where table_schema = 'RECONCILIATION'"
        )
        if expected - {name for (name,) in existing}:
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
        names = tables.TABLES[tables.DISCREPANCIES].column_names
        sql = f"select {', '.join(names)} from {tables.DISCREPANCIES} where {condition} order by order_id, first_seen"
        return [discrepancy_of(dict(zip(names, row, strict=True))) for row in fetch_all(self.connection, sql)]

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
                run_id, day, aware_time(at), int(suspected), int(confirmed), int(healed), int(lagging), bool(complete)
            )
            for run_id, day, at, suspected, confirmed, healed, lagging, complete in fetch_all(
                self.connection, sql, parameters
            )
        ]

    def verified_through(self) -> date | None:
        """The durable gate: up to which business date the layers agreed at the last reconciliation."""
        rows = fetch_all(self.connection, f"select verified_through from {tables.VERIFIED}")
        return rows[0][0] if rows else None

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
            self._insert(tables.RUNS, [run_row(run)])
            self._insert(tables.METRICS, [metric_row(run, verdict, lagging) for verdict in verdicts])
            self._insert(
                tables.CONVERGENCE, [convergence_row(run, result, course_of[result.date]) for result in results]
            )
            execute(self.connection, f"delete from {tables.DISCREPANCIES} where state <> 'healed'")
            self._insert(tables.DISCREPANCIES, [discrepancy_row(item) for item in discrepancies])
            execute(self.connection, f"delete from {tables.VERIFIED}")
            self._insert(
                tables.VERIFIED,
                [
                    {
                        "verified_through": run.verified_through,
                        "run_id": run.run_id,
                        "recorded_at": plain_time(run.end_time),
                    }
                ],
            )

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows as JSON arrays, unpacked by the server: a VALUES list of thousands of rows takes seconds to parse.

        Exact: decimals and times travel as text and are cast to the column's type. A row has a value for each column.
        """
        columns = tables.TABLES[table].columns
        picked = ", ".join(f"entry.value[{place}]::{column.snowflake_type}" for place, column in enumerate(columns))
        sql = f"""
            insert into {table} ({", ".join(column.name for column in columns)})
            select {picked} from table(flatten(input => parse_json(%s))) as entry
        """
        for start in range(0, len(rows), _ROWS_IN_AN_INSERT):
            part = [[row[column.name] for column in columns] for row in rows[start : start + _ROWS_IN_AN_INSERT]]
            execute(self.connection, sql, (json.dumps(part, default=str, ensure_ascii=False),))


def course_of_days(earlier: Iterable[DayResult], now: Iterable[DayResult]) -> dict[date, DayCourse]:
    """Courses of all days, the present reconciliation included."""
    return courses([*earlier, *now])


@contextmanager
def open_store(settings: Settings, run_id: str) -> Iterator[Store]:
    """The room's tables, created where they are missing, over a connection of their own."""
    with closing(connect(settings, run_id)) as connection:
        store = Store(connection)
        store.create()
        yield store
