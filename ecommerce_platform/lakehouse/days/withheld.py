"""Columns of landing files that production leaves out because no contract classifies them: what the ledger says of them. Pure.

What belongs here: which columns, of which days, in words. What does not: leaving them out (arrivals.py), adding them, as other
profiles do (evolution.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ecommerce_platform.lakehouse.days.ledger import TableLedger

WHY_WITHHELD = (
    "no contract names it, and production adds no column of which nobody has said whether it is personal; add it to the "
    "contract, then materialize the days again"
)


def withheld_columns(ledger: TableLedger, days: Sequence[date] = ()) -> dict[str, tuple[date, date]]:
    """Each column that was left out of one of `days`, or of any published day, with its first and last day."""
    days_by_column: dict[str, tuple[date, date]] = {}
    for day, record in ledger.published.items():
        for column in record.withheld or () if not days or day in days else ():
            first, _ = days_by_column.get(column, (day, day))
            days_by_column[column] = (first, day)
    return days_by_column


def withheld_lines(table: str, days_by_column: Mapping[str, tuple[date, date]]) -> list[str]:
    """One line for each column, with what to do."""
    return [
        f"column {column} of {table}, {first} to {last}, is left out: {WHY_WITHHELD}"
        for column, (first, last) in sorted(days_by_column.items())
    ]
