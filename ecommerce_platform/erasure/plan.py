"""Everything that is known of a person: found before the erasure as its plan, and after it as its proof.

What belongs here: asking every place. What does not: changing any (erase.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog

from ecommerce_platform.contracts import Column, load_contracts
from ecommerce_platform.erasure import lake as lake_files
from ecommerce_platform.erasure import landing_files, leftovers, speed, warehouse
from ecommerce_platform.erasure.bucket_versions import kept_versions
from ecommerce_platform.erasure.parquet import Change, count_rows
from ecommerce_platform.erasure.subject import Subject
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import tables_of as tables_in
from ecommerce_platform.iceberg.warehouse_files import StoredFile
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.persons import Rows, distinct_keys, erased, rows_of, still_personal, tables_of
from ecommerce_platform.reconciliation.layers.clickhouse import speed_table
from ecommerce_platform.settings import S3Settings, Settings
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from snowflake.connector import SnowflakeConnection


@dataclass(frozen=True)
class Holding:
    """A place that holds the person: how many rows in how many files; `owner` says why only its owner can change it."""

    place: str
    what: str
    rows: int
    files: int | None = None
    owner: str = ""


@dataclass(frozen=True)
class Plan:
    """All places, and the landing files and stray files of the lake that they are about."""

    subject: Subject
    holdings: tuple[Holding, ...]
    landing: tuple[landing_files.LandingHolding, ...] = ()
    strays: dict[str, tuple[StoredFile, ...]] = field(default_factory=dict)


def subject_of(lake: Lake, table: str, key: int) -> Subject:
    """The person with the keys and values that the lake knows."""
    contracts = load_contracts()
    open_catalog(lake)  # refuses a warehouse of another catalog
    keys: dict[str, frozenset[int]] = {table: frozenset({key})}
    values: dict[str, dict[str, frozenset[str]]] = {}
    for name in tables_of(contracts, table):
        iceberg = lake.find(lake.events(name))
        if iceberg is None:
            continue
        rows = rows_of(contracts, table, keys)[name]
        personal = [column.name for column in contracts[name].personal_columns]
        own: set[int] = set()
        texts: dict[str, set[str]] = {column: set() for column in personal}
        for some in lake_files.read_columns(iceberg, (*rows.columns, *personal)):
            about = some.filter(rows.mask(some))
            own |= distinct_keys(about.column(contracts[name].key))
            for column in set(personal) & set(about.column_names):
                texts[column] |= {str(item) for item in about.column(column).unique().to_pylist() if item is not None}
        keys[name] = keys.get(name, frozenset()) | own
        values[name] = {
            column: frozenset(values_of_column - {""})
            for column, values_of_column in texts.items()
            if values_of_column - {""}
        }
    return Subject(contracts, table, key, keys, values)


def make_plan(settings: Settings, connection: SnowflakeConnection, subject: Subject) -> Plan:
    """Asks every place; reads key columns and personal columns, and changes nothing."""
    contents = plan_files(Lake.of(settings), LandingZone.of(settings), subject)
    return replace(contents, holdings=(*contents.holdings, *_served(settings, connection, subject)))


def plan_files(lake: Lake, zone: LandingZone, subject: Subject) -> Plan:
    """What landing and the lake hold."""
    catalog = open_catalog(lake)
    holdings: list[Holding] = []
    landed: list[landing_files.LandingHolding] = []
    strays: dict[str, tuple[StoredFile, ...]] = {}
    for table in subject.rows:
        holdings_of_table = landing_files.find(zone, table, subject.change(table, strays=True))
        landed += holdings_of_table
        if rows := sum(item.rows for item in holdings_of_table):
            holdings.append(Holding("landing", table, rows, sum(item.rows > 0 for item in holdings_of_table)))
        holdings += [
            Holding("landing", f"{table}/{item.file.path}", 0, 1, item.problem)
            for item in holdings_of_table
            if item.problem
        ]
    for identifier, change in lake_changes(lake, catalog, subject).items():
        iceberg = lake.find(identifier)
        if iceberg is None:
            continue
        held = lake_files.held(iceberg, change)
        if held.rows:
            holdings.append(Holding("lake", identifier, held.rows, held.files))
        lost = _holding_strays(lake.s3, iceberg, change)
        if lost:
            strays[identifier] = tuple(lost)
            holdings.append(Holding("lake", f"{identifier}, files that no snapshot names", 0, len(lost)))
    holdings += [
        Holding("bucket", f"older versions of objects below {item.address}", 0, item.count, item.problem)
        for item in kept_versions((zone.uri, lake.root or ""), lake.s3)
    ]
    return Plan(subject, tuple(holdings), tuple(landed), strays)


def _served(settings: Settings, connection: SnowflakeConnection, subject: Subject) -> list[Holding]:
    """What the warehouse, the speed layer and scratch hold."""
    in_warehouse = warehouse.find(connection, load_manifest(DbtProject.of(settings)), subject)
    holdings = [Holding("warehouse", item.table, item.rows) for item in in_warehouse]
    if staged := sum(leftovers.staged(connection).values()):
        holdings.append(Holding("warehouse", "files on the load stage", 0, staged))
    if folders := leftovers.scratch_folders(settings.scratch_uri):
        holdings.append(Holding("scratch", "copies of the lake's files", 0, len(folders)))
    if "orders" in subject.rows:
        sample = leftovers.sample_files(settings.realtime_dir, subject.change("orders", strays=False))
        if sample:
            holdings.append(Holding("sample shop", "realtime", sum(rows for _, rows in sample), len(sample)))
        with speed_table(settings) as table:
            if rows := speed.find(table, subject.contracts["orders"], subject.rows["orders"]):
                holdings.append(Holding("speed layer", table.table, rows))
    return holdings


def lake_changes(lake: Lake, catalog: Catalog, subject: Subject) -> dict[str, Change]:
    """The lake's tables that may hold the person, and what changes in each."""
    changes: dict[str, Change] = {}
    for table in subject.rows:
        changes[lake.quarantine(table)] = subject.quarantine_change(table)
        changes[lake.events(table)] = subject.change(table, strays=False)
    contract, rows = subject.contracts[subject.table], subject.rows.get(subject.table)
    if rows is not None:
        for identifier in sorted(tables_in(catalog, lake.section.analytics_namespace)):
            names = {field.name for field in catalog.load_table(identifier).schema().fields}
            shared = [column for column in contract.personal_columns if column.name in names]
            if shared and contract.key in names:
                changes[identifier] = _computed_change(Rows(contract.key, rows.keys), shared)
    return changes


def _computed_change(rows: Rows, columns: Sequence[Column]) -> Change:
    """Of a table that Spark computes for each person: the columns that it takes over."""
    nullable = [replace(column, required=False) for column in columns]

    def count(some: pa.Table) -> int:
        return pc.sum(still_personal(some, rows.mask(some), nullable)).as_py() or 0

    names = (*rows.columns, *(column.name for column in columns))
    return Change(count, lambda some: erased(some, rows.mask(some), nullable), names)


def _holding_strays(s3: S3Settings, table: Table, change: Change) -> list[StoredFile]:
    """Files that no snapshot names and that hold the person, or that name files that do (manifests)."""
    files = []
    for file in lake_files.unnamed(s3, table):
        if file.name.endswith(".avro"):
            files.append(file)
            continue
        try:
            with table.io.new_input(file.address).open() as source:
                holds = count_rows(source, change) > 0
        except (pa.ArrowException, OSError, ValueError, KeyError):
            holds = True  # half written, as a killed write leaves it: nobody can say what it holds
        if holds:
            files.append(file)
    return files
