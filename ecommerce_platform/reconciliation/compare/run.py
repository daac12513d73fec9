"""One comparison: totals, the search for positions that differ, and the verdicts on their rows.

What belongs here: the order of the steps and the bounds on what is in memory. What does not: any step's own logic.

In memory are the candidates' positions (limits.candidates), one group of row checksums, one fetch of rows, and the findings
(limits.findings): never a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ecommerce_platform.reconciliation.compare.clickhouse_side import ClickHouseTable
from ecommerce_platform.reconciliation.compare.config import Comparison
from ecommerce_platform.reconciliation.compare.sides import ROWS_AT_ONCE, Totals
from ecommerce_platform.reconciliation.compare.snowflake_side import SnowflakeTable
from ecommerce_platform.reconciliation.compare.verdicts import RowFinding, judge_rows
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.reconciliation.search.locate import Limits, Located, locate
from ecommerce_platform.reconciliation.search.sqltext import chunks


@dataclass(frozen=True)
class Compared:
    """What a comparison found. `stopped_by` names the limit that cut it short; then at least these rows differ."""

    comparison: Comparison
    run_id: str
    start_time: datetime
    end_time: datetime
    clickhouse: Totals
    snowflake: Totals
    located: Located
    findings: tuple[RowFinding, ...]
    candidates_left: int = 0

    @property
    def stopped_by(self) -> str | None:
        if self.candidates_left:
            return "findings"
        return self.located.stopped_by

    @property
    def equal(self) -> bool:
        """Whether every row was examined and none differs."""
        return not self.findings and self.stopped_by is None

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        many = len(self.findings)
        keys = f"{many:,} {'key differs' if many == 1 else 'keys differ'}"
        sizes = f"{self.clickhouse.rows:,} rows in ClickHouse, {self.snowflake.rows:,} in Snowflake"
        if self.stopped_by is None:
            return f"{self.comparison.name}: {keys if many else 'no key differs'}; {sizes}"
        left = (
            f"{self.candidates_left:,} candidates"
            if self.candidates_left
            else f"{self.located.ranges_left} of {self.located.ranges} differing ranges"
        )
        return f"{self.comparison.name}: at least {keys}; {left} not examined (limit of {self.stopped_by}); {sizes}"


def compare(
    clickhouse: ClickHouseTable,
    snowflake: SnowflakeTable,
    run_id: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    clock: Callable[[], float] = time.monotonic,
) -> Compared:
    """Compare the two tables. Raises ReconciliationError when one cannot be read, or has rows without a key."""
    comparison, started = clickhouse.comparison, now()
    snowflake = replace(snowflake, uuids=clickhouse.uuids)
    totals = (clickhouse.totals(), snowflake.totals())
    for side, totals_of_side in zip(("ClickHouse", "Snowflake"), totals, strict=True):
        if totals_of_side.without_key:
            raise ReconciliationError(
                f"{comparison.name}: {totals_of_side.without_key} rows of the {side} table have a null in their key "
                f"({', '.join(comparison.key)}); expected none. Leave them out with {side.lower()}.where, or name another key"
            )
    # Distances between keys of more than 64 bits would overflow; their hashes never do.
    by_hash = not all(totals_of_side.searchable_by_key for totals_of_side in totals)
    clickhouse, snowflake = replace(clickhouse, by_hash=by_hash), replace(snowflake, by_hash=by_hash)
    limits = comparison.limits
    located = locate(clickhouse, snowflake, None, Limits(limits.candidates, limits.rows, limits.seconds), clock)
    columns = {name: column for name, column in comparison.columns.items() if name not in comparison.key}
    findings: list[RowFinding] = []
    examined = 0
    for some in chunks(located.keys, ROWS_AT_ONCE):
        if len(findings) >= limits.findings:
            break
        findings += judge_rows(clickhouse.fetch(some), snowflake.fetch(some), columns)
        examined += len(some)
    return Compared(
        comparison, run_id, started, now(), *totals, located, tuple(findings[: limits.findings]),
        candidates_left=len(located.keys) - examined + max(0, len(findings) - limits.findings),
    )  # fmt: skip
