"""Columns that landing files bring and the contract does not name: what they become, and which cannot be taken.

What belongs here: pure functions of contracts, footers and columns. What does not: changing tables (tables.py) and reading files.

Such a column is added as a nullable one of the type that the file has, in lower case. What cannot be kept without loss or
under a safe name refuses the day by name: nobody would notice values that are silently left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ecommerce_platform.contracts import CDC_COLUMNS, PROVENANCE_COLUMNS, Column, Contract, LogicalType
from ecommerce_platform.contracts.model import DATE_COLUMN, LOAD_COLUMNS
from ecommerce_platform.lakehouse.decode.physical import Footer, PhysicalColumn, PhysicalKind
from ecommerce_platform.lakehouse.decode.schemas import unknown_columns
from ecommerce_platform.lakehouse.errors import DayRefusedError

#: Comment of such a column in Iceberg; by it the platform knows the column from one that was taken out of the contract.
EXTRA_COMMENT = "Found in landing files; the contract does not name it."

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RESERVED = frozenset(
    {column.name for column in (*CDC_COLUMNS, *PROVENANCE_COLUMNS, *LOAD_COLUMNS, DATE_COLUMN)}
    | {"_metadata", "_path", "_bucket", "_duplicate", "_unfit", "_part"}
)
_RESERVED_BEGINNINGS = ("_raw_", "_value_")
_SWITCH = "or set ECOMMERCE_LAKEHOUSE__UNKNOWN_COLUMNS=ignore to leave such columns in the files"

_TYPES = {
    PhysicalKind.INT: LogicalType.INT,
    PhysicalKind.BIGINT: LogicalType.BIGINT,
    PhysicalKind.TEXT: LogicalType.TEXT,
    PhysicalKind.TIMESTAMP_UTC: LogicalType.TIMESTAMP,
    PhysicalKind.TIMESTAMP_NAIVE: LogicalType.TIMESTAMP,
    PhysicalKind.TIMESTAMP_MILLIS: LogicalType.TIMESTAMP,
    PhysicalKind.TIMESTAMP_NANOS: LogicalType.TIMESTAMP,
    PhysicalKind.INT96: LogicalType.TIMESTAMP,
    PhysicalKind.DATE: LogicalType.DATE,
    PhysicalKind.BOOLEAN: LogicalType.BOOLEAN,
}
_SUPPORTED = "int, bigint, decimal up to 38 digits, text, timestamp, date or boolean"


def extra_column(physical: PhysicalColumn) -> Column | None:
    """The column that a file's unknown column becomes; None for a type that the platform cannot keep without loss."""
    name = physical.name.lower()
    if physical.kind is PhysicalKind.UNSIGNED_BIGINT:
        return Column(name, LogicalType.DECIMAL, EXTRA_COMMENT, precision=20, scale=0, late=True)
    if physical.kind is PhysicalKind.DECIMAL:
        if not 0 <= physical.scale <= physical.precision <= 38:
            return None
        precision, scale = physical.precision, physical.scale
        return Column(name, LogicalType.DECIMAL, EXTRA_COMMENT, precision=precision, scale=scale, late=True)
    kind = _TYPES.get(physical.kind)
    return Column(name, kind, EXTRA_COMMENT, late=True) if kind else None


def unknown_problem(contract: Contract, footer: Footer, mode: str) -> str | None:
    """Why a file's columns beyond the contract cannot be taken, or None. Names column, found and expected."""
    unknown = set(unknown_columns(contract, footer))
    if mode in ("ignore", "withhold") or not unknown:
        return None
    if mode == "refuse":
        return (
            f"column {min(unknown)!r} is not in the contract; expected its columns alone "
            "(ECOMMERCE_LAKEHOUSE__UNKNOWN_COLUMNS=refuse)"
        )
    lower = [column.name.lower() for column in footer.columns]
    for physical in footer.columns:
        name = physical.name
        if name not in unknown:
            continue
        if not _NAME.fullmatch(name):
            return (
                f"column {name!r} is not in the contract and its name cannot be used; expected letters of ASCII, digits and _, "
                f"at most 128, no digit first: rename it, {_SWITCH}"
            )
        if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_BEGINNINGS):
            return f"column {name!r} has a name that the platform uses itself; expected another: rename it, {_SWITCH}"
        if lower.count(name.lower()) > 1:
            return f"column {name!r} is present more than once, perhaps in different cases; expected it once"
        if physical.kind is not PhysicalKind.NULL and extra_column(physical) is None:
            return (
                f"column {name!r} is {physical} and not in the contract; expected {_SUPPORTED} of a column that is to be "
                f"added: change its type, {_SWITCH}"
            )
    return None


def extra_columns(contract: Contract, files: Iterable[tuple[str, Footer]]) -> tuple[Column, ...]:
    """The columns that a day's files bring beyond the contract, each as wide as its widest file has it, by name.

    Raises DayRefusedError naming both files when two of them have types of which neither holds the other.
    """
    columns: dict[str, tuple[Column, str]] = {}
    for file, footer in files:
        unknown = set(unknown_columns(contract, footer))
        for physical in footer.columns:
            column = extra_column(physical) if physical.name in unknown else None
            if column is None:
                continue
            earlier, where = columns.get(column.name, (column, file))
            wider = widest(earlier, column)
            if wider is None:
                raise DayRefusedError(
                    f"column {column.name!r}, which the contract does not name, is {earlier.spark_type} in {where} and "
                    f"{column.spark_type} in {file}; expected one type, or one that holds the other: write one of the files again"
                )
            columns[column.name] = (wider, where)
    return tuple(columns[name][0] for name in sorted(columns))


def widest(first: Column, second: Column) -> Column | None:
    """Of two columns of one name the one whose type holds the other's values; None when neither does."""
    if first.type is LogicalType.DECIMAL and second.type is LogicalType.DECIMAL:
        if first.scale != second.scale:
            return None
        return first if (first.precision or 0) >= (second.precision or 0) else second
    if first.type is second.type:
        return first
    if {first.type, second.type} == {LogicalType.INT, LogicalType.BIGINT}:
        return first if first.type is LogicalType.BIGINT else second
    return None


def merged(present: Sequence[Column], arriving: Sequence[Column]) -> tuple[Column, ...]:
    """The extra columns that a table has, with those that a day brings. Raises DayRefusedError for a type that cannot follow."""
    columns = {column.name: column for column in present}
    for column in arriving:
        existing = columns.get(column.name)
        wider = widest(existing, column) if existing else replace(column, late=True)
        if wider is None:
            assert existing is not None, "only a column that is there can be in the way"
            raise DayRefusedError(
                f"column {column.name!r}, which the contract does not name, is {column.spark_type} in the files; the table has "
                f"it as {existing.spark_type}; only int to bigint and a greater decimal precision can follow: restore the type, "
                "or give the column another name"
            )
        columns[column.name] = wider
    return tuple(columns.values())
