"""Do two rows agree, and if not, why: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.compare.config import ColumnType, ComparedColumn
from ecommerce_platform.reconciliation.compare.verdicts import RowReason, agree, judge_key, judge_rows
from ecommerce_platform.reconciliation.model import Value

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
AMOUNT = ComparedColumn(type=ColumnType.DECIMAL)
COLUMNS = {
    "amount": AMOUNT,
    "at": ComparedColumn(type=ColumnType.TIMESTAMP),
    "note": ComparedColumn(type=ColumnType.TEXT),
}
ROW: tuple[Value, ...] = (Decimal("10.00"), NOON, "a")

# Both values, absolute and relative tolerance, whether they agree.
VALUES = [
    (Decimal("10.00"), Decimal("10"), "0", "0", True),
    (Decimal("10.00"), Decimal("10.01"), "0", "0", False),
    (Decimal("10.00"), Decimal("10.01"), "0.01", "0", True),
    (Decimal("10.00"), Decimal("10.011"), "0.01", "0", False),
    (Decimal("105"), Decimal("100"), "0", "0.05", True),
    (Decimal("105.01"), Decimal("100"), "0", "0.05", False),
    (Decimal("1"), Decimal("0"), "0", "0.99", False),
    (None, Decimal("0"), "5", "1", False),
    (None, None, "0", "0", True),
    (3, 5, "2", "0", True),
]


@pytest.mark.parametrize(("left", "right", "tolerance", "relative", "expected"), VALUES)
def test_numbers_agree_within_either_tolerance_and_nulls_with_nulls_alone(
    left: Value, right: Value, tolerance: str, relative: str, expected: bool
) -> None:
    column = ComparedColumn(type=ColumnType.DECIMAL, tolerance=Decimal(tolerance), relative=Decimal(relative))
    assert agree(left, right, column) is expected


def test_times_agree_within_seconds_and_text_only_when_equal() -> None:
    column = ComparedColumn(type=ColumnType.TIMESTAMP, tolerance=Decimal("1.5"))
    assert agree(NOON, NOON + timedelta(seconds=1.5), column)
    assert not agree(NOON, NOON + timedelta(seconds=1.6), column)
    assert not agree("a", "a ", ComparedColumn(type=ColumnType.TEXT))


REASONS: dict[str, tuple[list[tuple[Value, ...]], list[tuple[Value, ...]], RowReason | None, tuple[str, ...]]] = {
    "equal": ([ROW], [ROW], None, ()),
    "missing in Snowflake": ([ROW], [], RowReason.MISSING_IN_SNOWFLAKE, ()),
    "missing in ClickHouse": ([], [ROW], RowReason.MISSING_IN_CLICKHOUSE, ()),
    "twice in ClickHouse": ([ROW, ROW], [ROW], RowReason.DUPLICATE_IN_CLICKHOUSE, ()),
    "twice in Snowflake": ([ROW], [ROW, ROW], RowReason.DUPLICATE_IN_SNOWFLAKE, ()),
    "twice the same on both sides": ([ROW, ROW], [ROW, ROW], None, ()),
    "a cent": ([(Decimal("10.01"), NOON, "a")], [ROW], RowReason.ROUNDING, ("amount",)),
    "an amount": ([(Decimal("10.02"), NOON, "a")], [ROW], RowReason.VALUE, ("amount",)),
    "a time zone": ([(Decimal("10.00"), NOON + timedelta(hours=2), "a")], [ROW], RowReason.TIME_SHIFT_WHOLE_HOURS, ("at",)),
    "half an hour": ([(Decimal("10.00"), NOON + timedelta(minutes=30), "a")], [ROW], RowReason.VALUE, ("at",)),
    "a null": ([(Decimal("10.00"), NOON, None)], [ROW], RowReason.NULL_ON_ONE_SIDE, ("note",)),
    "two columns": ([(Decimal("11.00"), NOON, None)], [ROW], RowReason.VALUE, ("amount", "note")),
}  # fmt: skip


@pytest.mark.parametrize("situation", REASONS)
def test_a_key_has_one_reason(situation: str) -> None:
    left, right, reason, columns = REASONS[situation]
    finding = judge_key((1,), left, right, COLUMNS)
    assert (None if finding is None else finding.reason) is reason
    assert (() if finding is None else finding.columns) == columns


def test_keys_with_nulls_and_of_any_type_are_distinguished() -> None:
    left = [(("a", None), ROW), (("a", 1), ROW)]
    right = [(("a", None), ROW), (("b", 1), ROW)]
    findings = judge_rows(left, right, COLUMNS)
    assert {item.key: item.reason for item in findings} == {
        ("a", 1): RowReason.MISSING_IN_SNOWFLAKE,
        ("b", 1): RowReason.MISSING_IN_CLICKHOUSE,
    }
