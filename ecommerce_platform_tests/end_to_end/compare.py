"""Compares tables row for row, exactly, and says readably where they differ.

What belongs here: normalising values of two engines and describing differences. What does not: where the rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

#: When a row was written: the only columns in which two equal tables may differ.
AUDIT_STAMPS = {
    "staging": {"processed_at"},
    "intermediate": {"processed_at", "created_at_audit", "loaded_at"},
    "marts": {"created_at", "last_updated"},
}

Row = Mapping[str, Any]


def plain(value: Any) -> Any:
    """The value without what only depends on the engine: 1 and 1.00 are one number, a zoned time is its UTC time."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        raise TypeError(f"{value!r} came back as a float; money and ratios are decimals")
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return Decimal(0) if number == 0 else number.normalize()
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return value


def by_key(rows: Iterable[Row], key: Sequence[str], what: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows_by_key: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        values = {name.lower(): plain(value) for name, value in row.items()}
        position = tuple(values[name] for name in key)
        if position in rows_by_key:
            raise AssertionError(f"{what}: key {dict(zip(key, position, strict=True))} appears more than once")
        rows_by_key[position] = values
    return rows_by_key


def differences(
    actual: Iterable[Row],
    expected: Iterable[Row],
    key: Sequence[str],
    *,
    what: str = "table",
    only_expected_columns: bool = False,
    limit: int = 10,
) -> list[str]:
    """The first `limit` differences in words; empty when the tables are equal.

    With `only_expected_columns` an expected row may name some columns only (cases written by hand).
    """
    left, right = by_key(actual, key, f"actual {what}"), by_key(expected, key, f"expected {what}")
    lines: list[str] = []
    for position in sorted(left.keys() | right.keys(), key=repr):
        named = ", ".join(f"{name}={value}" for name, value in zip(key, position, strict=True))
        if position not in left:
            lines.append(f"{what} [{named}]: missing; expected {right[position]}")
        elif position not in right:
            lines.append(f"{what} [{named}]: not expected; found {left[position]}")
        else:
            mine, theirs = left[position], right[position]
            columns = theirs.keys() if only_expected_columns else mine.keys() | theirs.keys()
            for column in sorted(columns):
                if mine.get(column, "no such column") != theirs.get(column, "no such column"):
                    lines.append(
                        f"{what} [{named}].{column}: found {mine.get(column, 'no such column')!s}, "
                        f"expected {theirs.get(column, 'no such column')!s}"
                    )
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit} more differences"]
    return lines


def assert_same(actual: Iterable[Row], expected: Iterable[Row], key: Sequence[str], **options: Any) -> None:
    """Fails with the first differing rows and columns."""
    lines = differences(actual, expected, key, **options)
    assert not lines, "\n".join(["tables differ:", *lines])
