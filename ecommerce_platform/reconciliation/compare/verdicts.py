"""Do the rows of a key agree, and if not, why? Pure functions of what both sides hold of the key.

What belongs here: tolerances and reasons. What does not: reading rows (sides.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from ecommerce_platform.reconciliation.compare.config import ComparedColumn
from ecommerce_platform.reconciliation.model import Value

_HOUR = timedelta(hours=1)
_WIDEST_OFFSET = timedelta(hours=14)
_A_CENT = Decimal("0.01")


class RowReason(StrEnum):
    """Why a key's rows differ; exactly one a key, the first that holds."""

    MISSING_IN_CLICKHOUSE = "missing_in_clickhouse"
    MISSING_IN_SNOWFLAKE = "missing_in_snowflake"
    DUPLICATE_IN_CLICKHOUSE = "duplicate_in_clickhouse"
    DUPLICATE_IN_SNOWFLAKE = "duplicate_in_snowflake"
    TIME_SHIFT_WHOLE_HOURS = "time_shift_whole_hours"
    ROUNDING = "rounding"
    NULL_ON_ONE_SIDE = "null_on_one_side"
    VALUE = "value"


@dataclass(frozen=True)
class RowFinding:
    """A key whose rows differ: why, in which columns, and both sides' values of those (of all columns when one is missing)."""

    key: tuple[Value, ...]
    reason: RowReason
    columns: tuple[str, ...]
    clickhouse: Mapping[str, Value] | None
    snowflake: Mapping[str, Value] | None


def judge_rows(
    clickhouse: Iterable[tuple[tuple[Value, ...], tuple[Value, ...]]],
    snowflake: Iterable[tuple[tuple[Value, ...], tuple[Value, ...]]],
    columns: Mapping[str, ComparedColumn],
) -> list[RowFinding]:
    """Findings among these rows of both sides, by key. `columns` are those beside the key, in the rows' order."""
    left, right = _by_key(clickhouse), _by_key(snowflake)
    # Keys of one comparison have one type a column, but may hold nulls: ordered by text.
    keys = sorted(left.keys() | right.keys(), key=lambda key: tuple(map(str, key)))
    return [
        finding
        for key in keys
        if (finding := judge_key(key, left.get(key, ()), right.get(key, ()), columns)) is not None
    ]


def _by_key(
    rows: Iterable[tuple[tuple[Value, ...], tuple[Value, ...]]],
) -> dict[tuple[Value, ...], list[tuple[Value, ...]]]:
    rows_by_key: dict[tuple[Value, ...], list[tuple[Value, ...]]] = {}
    for key, values in rows:
        rows_by_key.setdefault(key, []).append(values)
    return rows_by_key


def judge_key(
    key: tuple[Value, ...],
    left: Sequence[tuple[Value, ...]],
    right: Sequence[tuple[Value, ...]],
    columns: Mapping[str, ComparedColumn],
) -> RowFinding | None:
    """The finding of one key, or None when both sides hold it once, with values that agree."""
    names = tuple(columns)
    first = (
        dict(zip(names, left[0], strict=True)) if left else None,
        dict(zip(names, right[0], strict=True)) if right else None,
    )
    if not left or not right:
        return RowFinding(key, RowReason.MISSING_IN_SNOWFLAKE if left else RowReason.MISSING_IN_CLICKHOUSE, (), *first)
    if len(left) > 1 or len(right) > 1:
        if len(left) == len(right) and sorted(map(str, left)) == sorted(map(str, right)):
            return None
        more_left = len(left) >= len(right)
        reason = RowReason.DUPLICATE_IN_CLICKHOUSE if more_left else RowReason.DUPLICATE_IN_SNOWFLAKE
        return RowFinding(key, reason, (), *first)
    apart = tuple(name for name, a, b in zip(names, left[0], right[0], strict=True) if not agree(a, b, columns[name]))
    if not apart:
        return None
    in_left, in_right = ({name: side[name] for name in apart} for side in first if side is not None)
    return RowFinding(key, _reason(in_left, in_right), apart, in_left, in_right)


def agree(left: Value, right: Value, column: ComparedColumn) -> bool:
    """Whether two values are equal, or apart by no more than the column's tolerances. A null agrees with a null alone."""
    if left == right or left is None or right is None:
        return left == right
    if isinstance(left, datetime) and isinstance(right, datetime):
        return abs(left - right) <= timedelta(seconds=float(column.tolerance))
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal) and not isinstance(left, bool):
        if not (_finite(left) and _finite(right)):
            return False
        apart = abs(Decimal(left) - Decimal(right))
        return apart <= column.tolerance or apart <= abs(Decimal(right)) * column.relative
    return False


def _finite(value: int | Decimal) -> bool:
    """Whether it is a number: floats can be none (NaN) or infinite, and no arithmetic is done with those."""
    return isinstance(value, int) or value.is_finite()


def _reason(left: Mapping[str, Value], right: Mapping[str, Value]) -> RowReason:
    pairs = [(left[name], right[name]) for name in left]
    if all(isinstance(a, datetime) and isinstance(b, datetime) for a, b in pairs):
        shifts = {a - b for a, b in pairs if isinstance(a, datetime) and isinstance(b, datetime)}
        if len(shifts) == 1 and abs(shift := shifts.pop()) <= _WIDEST_OFFSET and shift % _HOUR == timedelta(0):
            return RowReason.TIME_SHIFT_WHOLE_HOURS
    if all(
        isinstance(a, Decimal) and isinstance(b, Decimal) and _finite(a) and _finite(b) and abs(a - b) <= _A_CENT
        for a, b in pairs
    ):
        return RowReason.ROUNDING
    if all((a is None) != (b is None) for a, b in pairs):
        return RowReason.NULL_ON_ONE_SIDE
    return RowReason.VALUE
