"""The Iceberg tables: created from the contract, and following it.

What belongs here: schema, partitioning, properties and evolution of the event and quarantine tables, through PyIceberg, so that
no JVM is needed. What does not: rows (write.py, quarantine.py) and what is published (ledger.py, publish.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)
from sqlalchemy.exc import DBAPIError

from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.iceberg.backoff import Backoff
from ecommerce_platform.iceberg.catalog import ensure_namespace
from ecommerce_platform.iceberg.installation import claim
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import sound_table
from ecommerce_platform.lakehouse.decode.evolution import EXTRA_COMMENT, merged
from ecommerce_platform.lakehouse.errors import TableEvolutionError

#: Of every table of the platform, as the design document has them.
TABLE_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "snappy",
    "write.metadata.compression-codec": "gzip",
    "write.target-file-size-bytes": "134217728",
    "commit.retry.num-retries": "4",
    "commit.retry.min-wait-ms": "100",
    # Each commit leaves a metadata file; without a bound their number grows with every day that is published.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
}

QUARANTINE_COLUMNS = (
    Column("date", LogicalType.DATE, "Landing day of the row."),
    Column("source_file", LogicalType.TEXT, "Landing file, relative to the table's landing folder."),
    Column("source_row", LogicalType.BIGINT, "Position of the row in that file, from 0."),
    Column("reason", LogicalType.TEXT, "Why it is here: one of a closed list."),
    Column("column_name", LogicalType.TEXT, "The column that is the reason."),
    Column("detail", LogicalType.TEXT, "What was found and what was expected."),
    Column("original_values", LogicalType.TEXT, "The row as it lies in the file, as JSON."),
    Column("run_id", LogicalType.TEXT, "Run that read it."),
    Column("content_id", LogicalType.TEXT, "Content of the day that the row belongs to; see the day ledger."),
)

_ICEBERG_TYPES: dict[LogicalType, IcebergType] = {
    LogicalType.BIGINT: LongType(),
    LogicalType.INT: IntegerType(),
    **dict.fromkeys((LogicalType.TEXT, LogicalType.UUID), StringType()),
    LogicalType.TIMESTAMP: TimestamptzType(),
    LogicalType.DATE: DateType(),
    LogicalType.BOOLEAN: BooleanType(),
}
_CREATED = {"ecommerce.created-by": "ecommerce-platform"}


def open_catalog(lake: Lake) -> Catalog:
    """The catalog, to write by: it belongs to the warehouse, or ForeignWarehouseError is raised.

    A SQL catalog makes its own tables on first use; of two that do so at once, one fails and finds them made.
    """
    try:
        catalog = lake.catalog
    except DBAPIError:
        catalog = lake.catalog
    claim(lake, catalog)
    return catalog


def iceberg_type(column: Column) -> IcebergType:
    """The column's type in Iceberg; timestamps have a zone, UTC."""
    if column.type is LogicalType.DECIMAL:
        return DecimalType(column.precision or 38, column.scale or 0)
    return _ICEBERG_TYPES[column.type]


def ensure_event_table(catalog: Catalog, lake: Lake, contract: Contract) -> Table:
    """The table of change events, created when missing and brought to the contract's columns.

    Raises TableEvolutionError for a change that Iceberg cannot follow without rewriting history, and LostTableError when the
    folder holds a table, or later commits, that the catalog does not know.
    """
    table = _ensure(catalog, lake, lake.events(contract.table), contract.all_event_columns, ("date",))
    return _evolve(catalog, table, contract)


def ensure_quarantine_table(catalog: Catalog, lake: Lake, contract: Contract) -> Table:
    """The table of quarantined rows; partitioned by content too, so that a day's rows are replaced file by file."""
    identifier = lake.quarantine(contract.table)
    return _ensure(catalog, lake, identifier, QUARANTINE_COLUMNS, ("date", "content_id"))


def with_extra_columns(contract: Contract, table: Table) -> Contract:
    """The contract as this table has it: with the columns that landing files brought, and `late` where the table is older
    than the column.

    Raises TableEvolutionError for a column of a type that the platform does not write.
    """
    schemas = table.schemas()
    first = {field.field_id for field in schemas[min(schemas)].fields}
    existing = {field.name: field for field in table.schema().fields}
    named = tuple(
        replace(column, late=column.name not in existing or existing[column.name].field_id not in first)
        for column in contract.columns
    )
    known = {column.name for column in replace(contract, extra=()).all_event_columns}
    extra = tuple(_extra(table, field) for field in existing.values() if field.name not in known)
    return replace(contract, columns=named, extra=extra)


def _extra(table: Table, field: NestedField) -> Column:
    if isinstance(field.field_type, DecimalType):
        precision, scale = field.field_type.precision, field.field_type.scale
        return Column(field.name, LogicalType.DECIMAL, EXTRA_COMMENT, precision=precision, scale=scale, late=True)
    for kind, iceberg in _ICEBERG_TYPES.items():
        if iceberg == field.field_type:
            return Column(field.name, kind, EXTRA_COMMENT, late=True)
    raise TableEvolutionError(
        f"column {field.name} of table {'.'.join(table.name())} is {field.field_type}, which the platform does not write; it "
        "was added outside the platform: drop the column"
    )


def add_extra_columns(catalog: Catalog, table: Table, contract: Contract, extra: Sequence[Column]) -> Table:
    """Adds columns that landing files bring, and widens those that they bring wider. Whoever else does so agrees."""
    backoff = Backoff()
    while True:
        present = {column.name: column for column in with_extra_columns(contract, table).extra}
        changes = [
            (column, column.name not in present)
            for column in merged(tuple(present.values()), extra)
            if present.get(column.name) != column
        ]
        if not changes:
            return table
        try:
            with table.update_schema() as update:
                for column, added in changes:
                    if added:
                        update.add_column(column.name, iceberg_type(column), doc=EXTRA_COMMENT)
                    else:
                        update.update_column(column.name, iceberg_type(column))
        except (CommitFailedException, ValueError):  # the latter: another process has added the column
            if not backoff.pause():
                raise
        table = catalog.load_table(table.name())


def _ensure(
    catalog: Catalog, lake: Lake, identifier: str, columns: tuple[Column, ...], partition_by: tuple[str, ...]
) -> Table:
    table = sound_table(lake, catalog, identifier)
    if table is None:
        _create(catalog, identifier, columns, partition_by)
        table = catalog.load_table(identifier)
    if table.current_snapshot() is None:
        _first_snapshot(table)
        table = catalog.load_table(identifier)
    return table


def _create(catalog: Catalog, identifier: str, columns: tuple[Column, ...], partition_by: tuple[str, ...]) -> None:
    ensure_namespace(catalog, identifier.split(".")[0])
    fields = [
        NestedField(number, column.name, iceberg_type(column), required=False, doc=column.description or None)
        for number, column in enumerate(columns, start=1)
    ]
    schema = Schema(*fields)
    partitions = (
        PartitionField(schema.find_field(name).field_id, 1000 + number, IdentityTransform(), name)
        for number, name in enumerate(partition_by)
    )
    spec = PartitionSpec(*partitions)
    with suppress(TableAlreadyExistsError):  # another process was faster; its table is the same
        catalog.create_table(identifier, schema, partition_spec=spec, properties=TABLE_PROPERTIES)


def _first_snapshot(table: Table) -> None:
    """An empty snapshot: a branch needs one to start from."""
    try:
        table.append(table.schema().as_arrow().empty_table(), snapshot_properties=_CREATED)
    except CommitFailedException:
        table.refresh()
        if table.current_snapshot() is None:
            raise


def _evolve(catalog: Catalog, table: Table, contract: Contract) -> Table:
    """Adds nullable columns and widens types; refuses everything else by name."""
    backoff = Backoff()
    while True:
        changes = _changes(table, contract)
        if not changes:
            return table
        try:
            with table.update_schema() as update:
                for column, added, before in changes:
                    if added:
                        update.add_column(column.name, iceberg_type(column), doc=column.description or None)
                        update.move_before(column.name, before)
                    else:
                        # The comment goes with it: the column may be one that was not in the contract until now.
                        update.update_column(column.name, iceberg_type(column), doc=column.description or column.name)
        except CommitFailedException:
            if not backoff.pause():
                raise
        table = catalog.load_table(table.name())


def _changes(table: Table, contract: Contract) -> list[tuple[Column, bool, str]]:
    """Columns to add (before which column) or to widen. Raises TableEvolutionError for any other difference."""
    name = ".".join(table.name())
    existing = {field.name: field for field in table.schema().fields}
    expected = {column.name: column for column in contract.all_event_columns}
    gone = [field.name for field in existing.values() if field.name not in expected and field.doc != EXTRA_COMMENT]
    if gone:
        raise TableEvolutionError(
            f"table {name} has the column {gone[0]}, which {contract.source} has not; a column cannot be dropped or "
            "renamed without rewriting history: put it back into the contract"
        )
    changes = []
    for column in contract.all_event_columns:
        iceberg_kind = iceberg_type(column)
        if column.name not in existing:
            if column.required:
                raise TableEvolutionError(
                    f"{contract.source} adds the column {column.name} as required; the events that {name} has lack it: "
                    "make it nullable"
                )
            changes.append((column, True, _follower(contract, column, existing)))
            continue
        was_extra = existing[column.name].doc == EXTRA_COMMENT
        if was_extra and column.required:
            raise TableEvolutionError(
                f"{contract.source} requires the column {column.name}; events of {name} lack it: make it nullable"
            )
        if existing[column.name].field_type != iceberg_kind:
            if not _widens(existing[column.name].field_type, iceberg_kind):
                raise TableEvolutionError(
                    f"column {column.name} of table {name} is {existing[column.name].field_type}; {contract.source} expects "
                    f"{iceberg_kind}; only int to bigint and a greater decimal precision can follow: restore the type, or add "
                    "a column of another name"
                )
            changes.append((column, False, ""))
        elif was_extra:
            changes.append((column, False, ""))
    return changes


def _follower(contract: Contract, column: Column, existing: dict[str, NestedField]) -> str:
    """The first column after `column` that the table has: the place where it belongs."""
    names = [item.name for item in contract.all_event_columns]
    return next(name for name in names[names.index(column.name) :] if name in existing)


def _widens(old: IcebergType, new: IcebergType) -> bool:
    if isinstance(old, IntegerType) and isinstance(new, LongType):
        return True
    if isinstance(old, DecimalType) and isinstance(new, DecimalType):
        return old.scale == new.scale and new.precision > old.precision
    return False
