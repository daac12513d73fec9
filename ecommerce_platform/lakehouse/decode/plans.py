"""Which landing files are read and decoded together: as few Spark plans as their forms allow. Pure.

What belongs here: the form in which a column is read, and the grouping of files by their forms. What does not: reading and
decoding (change_events.py).

A plan costs seconds, however few rows it reads, so that the cost of a day must follow its rows and files and not their forms:

- Spark fills a column that a file lacks with null. So files that differ in which columns they have are one scan, read by one
  schema. A column of null type is absent, too; but it lies in the file as a 32-bit number, which Spark reads as a whole number
  and as nothing else: such a file shares a scan where the column is a whole number, or is not read.
- A decimal is read as one of a few types that hold it, an int as a bigint.
- A few scans that differ in the form of a column are a plan each. Many are one plan: each scan decodes the columns that differ,
  and keeps their original values as text; the other columns are decoded once, of all scans together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ecommerce_platform.contracts import CDC_COLUMNS, Column, Contract, LogicalType
from ecommerce_platform.lakehouse.decode.physical import Footer, PhysicalColumn, PhysicalKind
from ecommerce_platform.landing.persons import Rows

#: The decimals by which others are read; the first that holds all values of a form is taken.
_DECIMALS = ((18, 4), (38, 18), (38, 10), (38, 4), (38, 2), (38, 28), (38, 0))

#: As many scans are a plan each; more of them share one. One plan reads large files faster where it need not make texts of
#: original values.
MOST_PLANS = 3

_NULL = PhysicalKind.NULL

#: The columns that are read of a file, each in the form in which it is read.
Form = tuple[PhysicalColumn, ...]


@dataclass(frozen=True)
class Scan:
    """Files that are read by one schema; one that lacks a column of it has null there. `uris` are as Spark wants them."""

    columns: Form
    uris: tuple[str, ...]


@dataclass(frozen=True)
class FileGroup:
    """Files that are decoded by one plan. `columns` are those that have one form in all scans, `differing` those of which each
    scan has its own form; `root` is the table's folder, a slash at its end. `forgotten` are rows about forgotten people,
    which are read without what is personal.
    """

    columns: Form
    scans: tuple[Scan, ...]
    root: str
    differing: frozenset[str] = frozenset()
    forgotten: Rows | None = None

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(uri for scan in self.scans for uri in scan.uris)


def event_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns that a landing file brings: those of the table, the change-data-capture metadata, and extra ones."""
    return (*contract.columns, *CDC_COLUMNS, *contract.extra)


def relevant_columns(contract: Contract, footer: Footer, extra: Iterable[str] = ()) -> Form:
    """The file's columns to read: those that the contract names, in its order, and of the others those in `extra`; each in the
    form in which it is read (`read_form`).

    An extra column is read under its name in lower case, however the file spells it.
    """
    by_name = {column.name: column for column in footer.columns}
    known = tuple(
        read_form(column, by_name[column.name])
        for column in (*contract.columns, *CDC_COLUMNS)
        if column.name in by_name
    )
    taken = {column.name for column in known}
    lower = {column.name.lower(): column for column in by_name.values() if column.name not in taken}
    return known + tuple(replace(lower[name], name=name) for name in sorted(extra) if name in lower)


def read_form(column: Column, physical: PhysicalColumn) -> PhysicalColumn:
    """The form in which a file's column is read: one of few. It follows from the file and the contract alone.

    Spark reads a decimal as any other that holds all its values, and an int as a bigint.
    """
    physical = replace(physical, detail="")
    numeric = column.type in (LogicalType.BIGINT, LogicalType.INT)
    if physical.kind is PhysicalKind.UUID and column.type is LogicalType.UUID:
        return replace(physical, kind=PhysicalKind.BINARY)
    if physical.kind is PhysicalKind.INT and numeric:
        return replace(physical, kind=PhysicalKind.BIGINT)
    if physical.kind is PhysicalKind.DECIMAL and (numeric or column.type is LogicalType.DECIMAL):
        own = [(column.precision or 0, column.scale or 0)] if column.type is LogicalType.DECIMAL else []
        for precision, scale in (*own, *_DECIMALS):
            if scale >= physical.scale and precision - scale >= physical.precision - physical.scale:
                return replace(physical, precision=precision, scale=scale)
    return physical


def plan(contract: Contract, forms: Mapping[Form, Sequence[str]], root: str) -> list[FileGroup]:
    """Files by the form in which they are read, as few plans; in a stable order. `root` is the table's folder."""
    scans = _scans(contract, forms)
    if len(scans) <= MOST_PLANS:
        return [FileGroup(scan.columns, (scan,), root) for scan in scans]
    columns: dict[str, set[PhysicalColumn]] = {}
    for scan in scans:
        for column in scan.columns:
            columns.setdefault(column.name, set()).add(column)
    differing = frozenset(name for name, kinds in columns.items() if len(kinds) > 1)
    alike = {column.name: column for scan in scans for column in scan.columns if column.name not in differing}
    return [FileGroup(tuple(alike.values()), tuple(scans), root, differing)]


def _scans(contract: Contract, forms: Mapping[Form, Sequence[str]]) -> list[Scan]:
    """Forms that differ only in which columns they have, put together."""
    order = {column.name: position for position, column in enumerate(event_columns(contract))}
    scans: list[tuple[dict[str, PhysicalColumn], list[str]]] = []
    for form, uris in forms.items():
        own = {column.name: column for column in form}
        for columns, files in scans:
            if all(_share_a_scan(columns.get(name, column), column) for name, column in own.items()):
                columns.update(
                    (name, column) for name, column in own.items() if not _is_null(columns.get(name), column)
                )
                files.extend(uris)
                break
        else:
            scans.append((own, list(uris)))
    return [
        Scan(
            tuple(
                columns[name]
                for name in sorted(columns, key=lambda name: order.get(name, len(order)))
                if columns[name].kind is not _NULL
            ),
            tuple(files),
        )
        for columns, files in scans
    ]


def _share_a_scan(first: PhysicalColumn, second: PhysicalColumn) -> bool:
    """Whether one schema reads a column in both forms."""
    kinds = {first.kind, second.kind}
    return first == second or kinds == {_NULL, PhysicalKind.BIGINT}


def _is_null(present: PhysicalColumn | None, column: PhysicalColumn) -> bool:
    """Whether a column of null type adds nothing to the form that is present."""
    return present is not None and column.kind is _NULL
