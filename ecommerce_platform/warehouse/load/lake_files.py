"""The published days of an Iceberg table as local Parquet files, and what they contain.

What belongs here: from the lakehouse's ledger to files on this machine, and the checksum over them. What does not: Snowflake.
The files are handed on as the lakehouse wrote them; nothing is written again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from ecommerce_platform.contracts import Column, Contract, LogicalType
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import DayRecord, TableLedger, read_table_ledger
from ecommerce_platform.lakehouse.ingest.tables import with_extra_columns
from ecommerce_platform.row_hash import duckdb_rows_hash
from ecommerce_platform.settings import Settings, SnowflakeSettings
from ecommerce_platform.warehouse.load.checksum import NO_ROWS, Content, published_content
from ecommerce_platform.warehouse.sql.connection import WarehouseError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

_EPOCH = date(1970, 1, 1)
_DAYS_OF_A_PART = 366
#: Each thread holds a row group, and tables are read side by side: one thread each is as fast and takes a quarter less memory.
_READS_ONCE: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "enable_external_file_cache": False}


@dataclass(frozen=True)
class LakeFile:
    """A data file of Iceberg: its address, size and number of rows. `month` is what its rows have in common, in months since
    1970-01, where the table is partitioned by month and this file was written so.
    """

    location: str
    bytes: int
    rows: int
    month: int | None = None


@dataclass(frozen=True)
class FileGroup:
    """Local files with the same columns."""

    columns: tuple[str, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class LoadSource:
    """What loads read, where they keep files meanwhile, and the limits and names of the account that they fill."""

    lake: Lake
    scratch_uri: str
    snowflake: SnowflakeSettings

    @classmethod
    def of(cls, settings: Settings) -> LoadSource:
        return cls(Lake.of(settings), settings.scratch_uri, settings.snowflake)

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """A folder of this load's own, removed afterwards: under the scratch folder, or the system's when scratch is on S3."""
        parent = None
        if "://" not in self.scratch_uri:
            parent = Path(self.scratch_uri) / "warehouse"
            parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="load-", dir=parent) as folder:
            yield Path(folder)


def open_table(lake: Lake, table: str) -> tuple[Table, TableLedger] | None:
    """The event table and its ledger, both of one moment; None when the table does not exist yet."""
    iceberg = lake.find(lake.events(table))
    return (iceberg, read_table_ledger(table, iceberg)) if iceberg is not None else None


def contract_of_lake(lake: Lake, contract: Contract) -> Contract:
    """The contract as the event table has it: with the columns that landing files brought beyond it."""
    opened = open_table(lake, contract.table)
    return with_extra_columns(contract, opened[0]) if opened else contract


def in_parts(records: Sequence[DayRecord], most: int) -> Iterator[list[DayRecord]]:
    """The days in parts, in order: at most `most` of a part have rows.

    A day without rows costs a line in a statement, so it counts for nothing until a part has a year of days.
    """
    part: list[DayRecord] = []
    with_rows = 0
    for record in records:
        if len(part) == _DAYS_OF_A_PART or (record.published and with_rows == most):
            yield part
            part, with_rows = [], 0
        part.append(record)
        with_rows += record.published > 0
    if part:
        yield part


def files_of_days(iceberg: Table, records: Sequence[DayRecord]) -> dict[date, tuple[LakeFile, ...]]:
    """Each day's data files in the snapshot that published it; no files for a day without rows.

    Raises WarehouseError when the files do not hold what the ledger says, which a day written as a whole always does.
    """
    from pyiceberg.expressions import In

    known = {snapshot.snapshot_id for snapshot in iceberg.snapshots()}
    by_snapshot: dict[int | None, list[DayRecord]] = {}
    for record in records:
        # An expired snapshot's days are unchanged in the current one: the ledger is of the same metadata.
        snapshot = record.snapshot_id if record.snapshot_id in known else None
        by_snapshot.setdefault(snapshot, []).append(record)
    files_by_day: dict[date, list[LakeFile]] = {record.day: [] for record in records}
    for snapshot, of_snapshot in by_snapshot.items():
        days = {record.day for record in of_snapshot}
        in_days = In(term="date", literals=days)
        scan = iceberg.scan(row_filter=in_days, snapshot_id=snapshot)
        for task in scan.plan_files():
            day = _day_of(iceberg, task)
            if day in days:
                files_by_day[day].append(
                    LakeFile(task.file.file_path, task.file.file_size_in_bytes, task.file.record_count)
                )
    for record in records:
        rows = sum(file.rows for file in files_by_day[record.day])
        if rows != record.published:
            raise WarehouseError(
                f"Iceberg table {record.table}, {record.day}, snapshot {record.snapshot_id}: its files hold {rows} rows, the "
                f"day ledger says {record.published}; the day was changed outside the platform: materialize iceberg/"
                f"{record.table} for it again"
            )
    return {day: tuple(sorted(files, key=lambda file: file.location)) for day, files in files_by_day.items()}


def _day_of(iceberg: Table, task: FileScanTask) -> date:
    file: DataFile = task.file
    if task.delete_files:
        raise WarehouseError(
            f"data file {file.file_path} has delete files; days are replaced as a whole and never have any: compact the table"
        )
    value = file.partition[0] if len(file.partition) == 1 else None
    if isinstance(value, int):
        return _EPOCH + timedelta(days=value)
    if isinstance(value, date):
        return value
    raise WarehouseError(
        f"data file {file.file_path} of {'.'.join(iceberg.name())} belongs to no single day; expected the table to be "
        "partitioned by identity(date) alone"
    )


def whole_table_files(iceberg: Table, snapshot_id: int | None = None) -> tuple[LakeFile, ...]:
    """All data files of a snapshot, or of the current one. Raises WarehouseError when there are delete files."""
    files = []
    for task in iceberg.scan(snapshot_id=snapshot_id).plan_files():
        file: DataFile = task.file
        if task.delete_files:
            raise WarehouseError(f"data file {file.file_path} has delete files; compact {'.'.join(iceberg.name())}")
        month = _month_of(iceberg, file)
        files.append(LakeFile(file.file_path, file.file_size_in_bytes, file.record_count, month))
    return tuple(sorted(files, key=lambda file: file.location))


def _month_of(iceberg: Table, file: DataFile) -> int | None:
    from pyiceberg.transforms import MonthTransform

    fields = iceberg.specs()[file.spec_id].fields
    by_month = len(fields) == 1 and isinstance(fields[0].transform, MonthTransform)
    return int(file.partition[0]) if by_month and file.partition[0] is not None else None


def collect(iceberg: Table, files: Sequence[LakeFile], folder: Path) -> list[FileGroup]:
    """Makes the files available in `folder`, grouped by their columns: linked when local, else fetched.

    Files written before a column was added lack it; a group records which columns its files have.
    """
    import pyarrow.parquet as pq

    groups: dict[tuple[str, ...], list[Path]] = {}
    for number, file in enumerate(files):
        source = _local(file.location)
        if source is None:
            source = folder / f"fetched-{number}.parquet"
            with iceberg.io.new_input(file.location).open() as remote, source.open("wb") as local:
                shutil.copyfileobj(remote, local, length=1 << 20)
        columns = tuple(pq.read_schema(source).names)
        members = groups.setdefault(columns, [])
        path = folder / f"group-{list(groups).index(columns)}" / f"{number}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(source)
        members.append(path)
    return [FileGroup(columns, tuple(paths)) for columns, paths in groups.items()]


def _local(location: str) -> Path | None:
    address = urlparse(location)
    if address.scheme == "file":
        return Path(unquote(address.path))
    return Path(location) if not address.scheme else None


def expected_contents(
    groups: Sequence[FileGroup], contract: Contract, records: Sequence[DayRecord]
) -> dict[date, Content]:
    """What has to arrive of each day: by the day ledger, or by the files where the ledger has no checksum."""
    published = {record.day: published_content(record) for record in records}
    in_files = contents_by_day(groups, contract, list(published)) if None in published.values() else {}
    return {day: content or in_files[day] for day, content in published.items()}


def contents_by_day(groups: Sequence[FileGroup], contract: Contract, days: Sequence[date]) -> dict[date, Content]:
    """Rows and checksum of each day, from the files. Raises WarehouseError when they hold another day's rows."""
    columns = contract.all_event_columns
    contents = {
        day: Content(rows, checksum)
        for day, rows, checksum in _query(
            groups, columns, f'select "date", count(*), {duckdb_rows_hash(columns)} from events group by "date"'
        )
    }
    foreign_days = sorted(str(day) for day in set(contents) - set(days))
    if foreign_days:
        raise WarehouseError(
            f"Iceberg table {contract.table}: files of {min(days)} … {max(days)} hold rows of {', '.join(foreign_days)}; they "
            "were written outside the platform: materialize these days again"
        )
    return {day: contents.get(day, NO_ROWS) for day in days}


def content(groups: Sequence[FileGroup], columns: Sequence[Column]) -> Content:
    """Rows and checksum of all files together."""
    rows = _query(groups, columns, f"select count(*), {duckdb_rows_hash(columns)} from events")
    return Content(*rows[0]) if rows else NO_ROWS


def _query(groups: Sequence[FileGroup], columns: Sequence[Column], query: str) -> list[tuple[Any, ...]]:
    import duckdb

    if not groups:
        return []
    selects, parameters = [], []
    for group in groups:
        selected = ", ".join(_selected(column, group.columns) for column in columns)
        selects.append(f"select {selected} from read_parquet(?)")
        parameters.append([str(path) for path in group.paths])
    with duckdb.connect(config=_READS_ONCE) as engine:
        return engine.execute(f"with events as ({' union all '.join(selects)}) {query}", parameters).fetchall()


def _selected(column: Column, present: Sequence[str]) -> str:
    if column.name not in present:
        return f'cast(null as {column.duckdb_type}) as "{column.name}"'
    if column.type is LogicalType.TIMESTAMP:
        return f'"{column.name}"'  # with or without a zone: both are UTC, and casting would ask the session's zone
    return f'cast("{column.name}" as {column.duckdb_type}) as "{column.name}"'
