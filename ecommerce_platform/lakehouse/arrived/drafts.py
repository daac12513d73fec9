"""Drafts of contracts from landing files: types from footers, key and meaning from the values of a few files.

What belongs here: what can be read out of files, and what is a guess. What does not: the contract's file (contracts/draft.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecommerce_platform.contracts import CDC_COLUMNS, Column, Contract, ContractError, LogicalType, Relationship
from ecommerce_platform.contracts.draft import Draft, classified
from ecommerce_platform.contracts.model import DATE_COLUMN
from ecommerce_platform.contracts.names import RESERVED_WORDS, is_identifier
from ecommerce_platform.contracts.types import KEY_TYPES, TEXTS, WHOLE_NUMBERS
from ecommerce_platform.lakehouse.decode.evolution import extra_column, widest
from ecommerce_platform.lakehouse.decode.physical import PhysicalColumn, PhysicalKind, UnreadableFileError, read_footer
from ecommerce_platform.lakehouse.decode.values import OPERATIONS
from ecommerce_platform.landing.files import LandingFile, LandingZone, list_table
from ecommerce_platform.settings.addresses import store_path

#: Files of which the values are read, and rows of each.
_FILES, _ROWS = 8, 50_000
_CDC = frozenset(column.name for column in CDC_COLUMNS)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TIME_NAMES = ("_at", "_time", "_ts", "timestamp")
#: Seconds of 2000 and 2100, between which a whole number is taken for a time, and such days for a date.
_TIMES = (946_684_800, 4_102_444_800)
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def draft_from_landing(zone: LandingZone, table: str, known: Mapping[str, Contract], key: Sequence[str] = ()) -> Draft:
    """A draft from the table's landing files; `key` names the key's columns where it need not be guessed.

    Raises ContractError when there are no readable files, or no key can be found.
    """
    days = list_table(zone, table).days
    files = [file for day in days.values() for file in day]
    if not files:
        raise ContractError(
            f"the landing zone {zone.uri} has no files of {table}; expected {table}/date=YYYY-MM-DD/*.parquet"
        )
    observed = _Observed(zone, table)
    for number, file in enumerate(files):
        observed.add(file, number in _chosen(len(files)))
    columns = tuple(observed.columns())
    names = _key(table, columns, observed, key)
    columns = tuple(
        replace(column, primary_key=True, required=True) if column.name in names else column for column in columns
    )
    relationships = tuple(_relationships(table, columns, names, known, observed.notes))
    bound = {*names, *(name for item in relationships for name in item.columns)}
    columns = tuple(classified(table, column, bound, observed.notes) for column in columns)
    first = min(days)
    observed.notes.append(
        f"{table} counts from {first} on (firstDay), its first landing day: earlier days do not wait for it"
    )
    observed.notes.append(f"{table}: descriptions are empty, and only the key is required: files do not say more")
    by_day = any(column.name == "created_at" and column.type is LogicalType.TIMESTAMP for column in columns)
    contract = Contract(
        table=table,
        description=f"{table} of PostgreSQL.",
        columns=columns,
        cluster_by="to_date(created_at)" if by_day else "date",
        source=f"{table}.odcs.yaml",
        first_day=first,
        ignored=("__*", *observed.ignored),
        relationships=relationships,
    )
    return Draft(contract, tuple(observed.notes))


def _chosen(count: int) -> frozenset[int]:
    """The files whose values are read: spread over all of them, the first and the last among them."""
    chosen = min(_FILES, count)
    return frozenset(round(at * (count - 1) / max(chosen - 1, 1)) for at in range(chosen))


class _Observed:
    """What the files have: a type for each column, and values of some."""

    def __init__(self, zone: LandingZone, table: str) -> None:
        self.zone, self.table = zone, table
        self.notes: list[str] = []
        self.ignored: list[str] = []
        self._types: dict[str, Column | None] = {}
        self._values: list[pa.Table] = []

    def add(self, file: LandingFile, with_values: bool) -> None:
        system, path = self.zone.filesystem(), store_path(file.uri)
        with system.open_input_file(path) as stream:
            try:
                footer = read_footer(stream)
            except UnreadableFileError as error:
                self.notes.append(f"{file.path} was left out: {error}")
                return
            for physical in footer.columns:
                self._take(physical, file.path)
            if with_values:
                names = [column.name for column in footer.columns if column.kind is not PhysicalKind.OTHER]
                self._values.append(pq.ParquetFile(stream).read(columns=names).slice(0, _ROWS))

    def _take(self, physical: PhysicalColumn, path: str) -> None:
        name = physical.name
        if name in _CDC or name.startswith("__") or name == DATE_COLUMN.name or name in self.ignored:
            return
        if not is_identifier(name) or name in RESERVED_WORDS:
            self._ignore(name, "its name cannot be used as it is; let the connector rename it")
            return
        if physical.kind is PhysicalKind.NULL:
            self._types.setdefault(name, None)
            return
        in_bytes = physical.kind in (PhysicalKind.BINARY, PhysicalKind.UUID)
        kind = Column(name, LogicalType.UUID) if in_bytes else extra_column(physical)
        if kind is None:
            hint = "write it as decimal" if physical.kind in (PhysicalKind.FLOAT, PhysicalKind.DOUBLE) else "convert it"
            self._ignore(name, f"it is {physical}, which cannot be kept exactly; {hint}")
            return
        kind = replace(kind, description="", late=False)
        earlier = self._types.get(name)
        wider = _wider(earlier, kind) if earlier else kind
        if wider is None:
            assert earlier is not None, "a first type has nothing to differ from"
            raise ContractError(
                f"{self.table}: column {name} is {earlier.spark_type} in some files and {kind.spark_type} in {path}; expected "
                "one type: write the files again"
            )
        self._types[name] = wider

    def _ignore(self, name: str, why: str) -> None:
        self._types.pop(name, None)
        self.ignored.append(name.lower())
        self.notes.append(f"{self.table}.{name} is ignored: {why}")

    def columns(self) -> Iterator[Column]:
        for name, column in list(self._types.items()):
            if column is None:
                self._ignore(name, "every file has it empty, without a type")
            elif (guessed := self._guessed(column)) is not None:
                yield guessed

    def _guessed(self, column: Column) -> Column | None:
        """The column with the type that its values show, where the file's own says less."""
        name, values = column.name, self.values(column.name)
        if column.type in TEXTS and values and all(map(_is_uuid, values)):
            self.notes.append(f"{self.table}.{name} is taken for a UUID: all of {len(values)} values are")
            return replace(column, type=LogicalType.UUID)
        if column.type is LogicalType.UUID:
            self._ignore(name, "its bytes are not UUIDs, and the platform keeps no bytes")
            return None
        if column.type is LogicalType.BIGINT and name.endswith(_TIME_NAMES) and values:
            unit = next((unit for unit, factor in _UNITS.items() if all(_is_time(v, factor) for v in values)), None)
            if unit:
                self.notes.append(f"{self.table}.{name} is taken for a time: its numbers count {unit} since 1970")
                return replace(column, type=LogicalType.TIMESTAMP)
        if (
            column.type is LogicalType.INT
            and name.endswith("_date")
            and values
            and all(_is_time(value, 1, 86_400) for value in values)
        ):
            self.notes.append(f"{self.table}.{name} is taken for a date: its numbers count days since 1970")
            return replace(column, type=LogicalType.DATE)
        return column

    def values(self, name: str) -> list[object]:
        """What is not null of a column in the files whose values were read."""
        collected: list[object] = []
        for table in self._values:
            if name in table.column_names:
                collected += table[name].drop_null().to_pylist()
        return [value.bytes if hasattr(value, "bytes") else value for value in collected]

    def rows(self, operations: frozenset[str]) -> list[pa.Table]:
        """The rows of these operations."""
        words = [word for word, stored in OPERATIONS.items() if stored in operations]
        of = [table for table in self._values if "__op" in table.column_names]
        chosen = []
        for table in of:
            text = pc.utf8_lower(pc.utf8_trim_whitespace(table["__op"].cast(pa.string())))
            chosen.append(table.filter(pc.is_in(text, pa.array(words))))
        return [table for table in chosen if table.num_rows]


def _wider(first: Column, second: Column) -> Column | None:
    """Of two types of a column that which holds both; bytes and texts of UUIDs are one."""
    if {first.type, second.type} == TEXTS:
        return first if first.type is LogicalType.UUID else second
    return widest(first, second)


def _is_uuid(value: object) -> bool:
    return len(value) == 16 if isinstance(value, bytes) else _UUID.fullmatch(str(value).strip()) is not None


def _is_time(value: object, per_second: int, seconds: int = 1) -> bool:
    return isinstance(value, int) and _TIMES[0] * per_second <= value * seconds < _TIMES[1] * per_second


def _key(table: str, columns: Sequence[Column], observed: _Observed, stated: Sequence[str]) -> tuple[str, ...]:
    """The key's columns: as stated, as deletes show, `id`, or what no two inserted rows have in common."""
    usable = [column.name for column in columns if column.type in KEY_TYPES]
    if stated:
        if unknown := [name for name in stated if name not in usable]:
            raise ContractError(f"{table}: --key {unknown[0]}: expected one of {', '.join(usable)}")
        return tuple(stated)
    deleted = observed.rows(frozenset({"DELETE"}))
    filled = {name: _filled(name, deleted) for name in (column.name for column in columns)}
    # With PostgreSQL's default replica identity a delete carries the key and nothing else.
    if deleted and (key := [name for name in usable if filled[name]]) and (len(key) < len(columns) or len(key) <= 2):
        observed.notes.append(f"{table}: the key is {', '.join(key)}: all that deletes carry")
        return tuple(key)
    if "id" in usable:
        observed.notes.append(f"{table}: the key is id, by its name")
        return ("id",)
    inserted = observed.rows(frozenset({"INSERT", "READ"}))
    named = sorted(usable, key=lambda name: (not name.endswith(("id", "uuid", "key", "code")), usable.index(name)))
    for size in (1, 2, 3):
        for names in combinations(named, size):
            if inserted and _is_unique(names, inserted):
                observed.notes.append(
                    f"{table}: the key is {', '.join(names)}: no two inserted rows have the same; a guess"
                )
                return names
    raise ContractError(f"{table}: no column looks like a key; name its columns with --key, once for each")


def _filled(name: str, tables: Sequence[pa.Table]) -> bool:
    return bool(tables) and all(name in table.column_names and table[name].null_count == 0 for table in tables)


def _is_unique(names: Sequence[str], tables: Sequence[pa.Table]) -> bool:
    seen: set[tuple[object, ...]] = set()
    count = 0
    for table in tables:
        if not _filled(names[0], [table]) or not all(_filled(name, [table]) for name in names):
            return False
        seen.update(zip(*(table[name].to_pylist() for name in names), strict=True))
        count += table.num_rows
    return len(seen) == count


def _relationships(
    table: str, columns: Sequence[Column], key: Sequence[str], known: Mapping[str, Contract], notes: list[str]
) -> Iterator[Relationship]:
    """`order_id` refers to `orders` where there is such a contract with a key of that type."""
    for column in columns:
        stem = column.name.removesuffix("_id")
        if stem == column.name or (len(key) == 1 and column.name in key):
            continue
        for parent in (f"{stem}s", stem, f"{stem}es"):
            contract = known.get(parent)
            if parent == table or contract is None or len(contract.key_columns) != 1:
                continue
            kinds = {contract.key_columns[0].type, column.type}
            if len(kinds) == 1 or kinds <= WHOLE_NUMBERS:
                notes.append(f"{table}.{column.name} refers to {parent}.{contract.key}, by its name")
                yield Relationship((column.name,), parent, contract.key_names)
                break
