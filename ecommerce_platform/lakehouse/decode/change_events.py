"""Landing rows become change events by the contract, or are named with the reason why they cannot.

What belongs here: reading files, the row's decoding, and the closed list of reasons for quarantine. What does not: which columns
a file must have (schemas.py), single values (values.py), writing (write.py, quarantine.py), duplicates (duplicates.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from functools import reduce
from operator import or_
from posixpath import normpath

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from ecommerce_platform.contracts import CDC_COLUMNS, Column, Contract, LogicalType
from ecommerce_platform.lakehouse.decode.dialects import SPARK
from ecommerce_platform.lakehouse.decode.physical import PhysicalColumn, PhysicalKind
from ecommerce_platform.lakehouse.decode.plans import FileGroup, Scan, event_columns
from ecommerce_platform.lakehouse.decode.values import decoded
from ecommerce_platform.landing.persons import Rows, erased_value

#: Part of every content id: a change of the rules is a change of what a day becomes.
DECODER_VERSION = 2

#: A path below the table's folder in which no character is escaped.
_PLAIN_PLACE = re.compile(r"date=\d{4}-\d{2}-\d{2}/[A-Za-z0-9._=/-]+")
#: Characters that Hadoop takes for a pattern, or for the mark that the next one is none.
_OF_PATTERNS = re.compile(r"[\\{}\[\]*?]")
_FEW_FILES = 8

#: On a local disk Hadoop holds a file against `.name.crc` beside it, which is stale when another program replaced the file. For
#: these reads alone it gets a file system that does not; Parquet and the content id have checksums of their own.
_WITHOUT_CHECKSUMS = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}

#: Old dates are those of today's calendar, in files that do not say otherwise; those that do are judged before (calendars.py).
_CALENDAR = {"datetimeRebaseMode": "CORRECTED", "int96RebaseMode": "CORRECTED"}

_RAW, _VALUE = "_raw_", "_value_"
_FILE, _ROW, _DATE = "__source_file", "__source_row", "date"


class QuarantineReason(StrEnum):
    """Why a row cannot be a valid change event. The list is closed; everything else is a flag, not a reason."""

    NULL_KEY = "null_key"
    UNKNOWN_OPERATION = "unknown_operation"
    MISSING_LSN = "missing_lsn"
    UNREADABLE_LSN = "unreadable_lsn"
    MISSING_TIMESTAMP = "missing_timestamp"
    UNREADABLE_TIMESTAMP = "unreadable_timestamp"
    MISSING_VALUE = "missing_value"
    VALUE_DOES_NOT_FIT = "value_does_not_fit"


def read_group(spark: SparkSession, contract: Contract, group: FileGroup) -> DataFrame:
    """All rows of the group's files, decoded.

    Columns out: those of the Iceberg table, and `_raw_<name>` for each event column: the value as it lies in the file.
    """
    # Spark reads Parquet's nanoseconds only as the number that they are.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    # A few dozen files are listed faster one by one than by a Spark job.
    spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", "1000")
    physical = {column.name: column for column in group.columns}
    columns = event_columns(contract)
    rows = reduce(DataFrame.unionByName, (_landed(spark, columns, group, scan) for scan in group.scans))
    day, file = _place(F.col("_path"), group)
    values = {
        column.name: F.col(f"{_VALUE}{column.name}")
        if column.name in group.differing
        else _decoded(column, physical.get(column.name))
        for column in columns
    }
    values |= _change_times(values)
    decoded_rows = rows.select(
        *(values[column.name].alias(column.name) for column in columns),
        day.alias(_DATE),
        file.alias(_FILE),
        _ROW,
        *(f"{_RAW}{column.name}" for column in columns),
    )
    return _without_forgotten(decoded_rows, contract, group.forgotten) if group.forgotten else decoded_rows


def _without_forgotten(rows: DataFrame, contract: Contract, forgotten: Rows) -> DataFrame:
    """The rows, those about forgotten people without what is personal: neither its value nor its original is read on."""
    chosen = F.col(forgotten.key).isin(sorted(forgotten.keys))
    if forgotten.references:
        unreadable = F.lit(True)
        for name, keys in forgotten.references.items():
            chosen = chosen | F.coalesce(F.col(name).isin(sorted(keys)), F.lit(False))
            unreadable = unreadable & F.col(name).isNull()
        chosen = chosen | (unreadable & F.col(forgotten.key).isin(sorted(forgotten.orphans)))
    chosen = F.coalesce(chosen, F.lit(False))
    new = {}
    for column in contract.personal_columns:
        value = erased_value(column)
        new[column.name] = F.when(chosen, F.lit(value)).otherwise(F.col(column.name)).cast(column.spark_type)
        raw = f"{_RAW}{column.name}"
        kind = rows.schema[raw].dataType
        original = F.lit(value if kind.typeName() in ("string", "binary") else None).cast(kind)
        new[raw] = F.when(chosen, original).otherwise(F.col(raw))
    return rows.withColumns(new)


def _landed(spark: SparkSession, columns: Iterable[Column], group: FileGroup, scan: Scan) -> DataFrame:
    """The values as they lie in the files of one scan, and each row's place. A column that differs between the group's scans is
    decoded here, and its original value is text, or base64 of bytes.
    """
    physical = {column.name: column for column in scan.columns}
    schema = ", ".join(f"`{name}` {column.spark_type}" for name, column in physical.items())
    reader = spark.read.options(**_WITHOUT_CHECKSUMS, **_CALENDAR)
    files = reader.schema(schema or "`__none` int").parquet(*map(_as_pattern, scan.uris))
    alike = {column.name: column.spark_type for column in group.columns}
    raw = files.select(
        *(_raw_column(column, physical, alike).alias(f"{_RAW}{column.name}") for column in columns),
        F.col("_metadata.file_path").alias("_path"),
        F.col("_metadata.row_index").alias(_ROW),
    )
    for column in columns:
        if column.name in group.differing:
            form, name = physical.get(column.name), f"{_RAW}{column.name}"
            raw = raw.withColumn(f"{_VALUE}{column.name}", _decoded(column, form))
            in_bytes = form is not None and form.kind is PhysicalKind.BINARY
            raw = raw.withColumn(name, F.base64(F.col(name)) if in_bytes else F.col(name).cast("string"))
    return raw


def _as_pattern(uri: str) -> str:
    """The pattern that stands for this very file: its name may hold characters of one.

    Spark's option `__globPaths__` is not a way out: for each such file it reads all the others once more (DataSource,
    checkAndGlobPathIfNecessary).
    """
    return _OF_PATTERNS.sub(r"\\\g<0>", uri)


def _place(path: SparkColumn, group: FileGroup) -> tuple[SparkColumn, SparkColumn]:
    """Day and file (`date=YYYY-MM-DD/<name>`, or with folders in between) of a row, from its path below the table's folder."""
    # Found by position, because a pattern would cost as much as the decoding. No slash is ever escaped.
    slashes = _slashes(group.root)
    # Of a local file Spark says `file:/…`, or `file:///…`.
    short, full = F.substring_index(path, "/", slashes - len("//")), F.substring_index(path, "/", slashes)
    folder = F.when(F.startswith(path, F.lit("file:")) & ~F.startswith(path, F.lit("file://")), short).otherwise(full)
    escaped = F.substr(path, F.length(folder) + 2)
    # The path is that of a URI, in which a plus sign is a plus sign.
    files = F.when(
        F.contains(escaped, F.lit("%")), F.url_decode(F.replace(escaped, F.lit("+"), F.lit("%2B")))
    ).otherwise(escaped)
    days = F.substr(escaped, F.lit(6), F.lit(10)).cast("date")
    places = sorted((uri.removeprefix(group.root) for uri in group.uris), key=len)
    if len(places) <= _FEW_FILES and all(_PLAIN_PLACE.fullmatch(place) for place in places):
        # Cutting the path of each row takes a quarter of the decoding; comparing its end with a few known ones does not. Of two
        # that end alike, the longer one is meant, which is compared first.
        for place in places:
            here = F.endswith(path, F.lit(f"/{place}"))
            days = F.when(here, F.lit(date.fromisoformat(place[5:15]))).otherwise(days)
            files = F.when(here, F.lit(place)).otherwise(files)
    return days, files


def _slashes(root: str) -> int:
    """How many slashes Spark's paths have up to the files below `root`: it leaves out what a path does not need."""
    _, _, path = root.partition("://")
    start = "/" if path.startswith("/") else ""
    return len("//") + f"{normpath(start + path.lstrip('/'))}/".count("/")


def _raw_column(column: Column, physical: Mapping[str, PhysicalColumn], alike: Mapping[str, str]) -> SparkColumn:
    if column.name in physical:
        return F.col(f"`{column.name}`")
    return F.lit(None).cast(alike.get(column.name, "string"))


def original_values(contract: Contract) -> SparkColumn:
    """The row as it lies in the file, as JSON text; of a decoded row."""
    values = (F.col(f"{_RAW}{column.name}").alias(column.name) for column in event_columns(contract))
    return F.to_json(F.struct(*values), {"ignoreNullFields": "false"})


def _decoded(column: Column, physical: PhysicalColumn | None) -> SparkColumn:
    if physical is None:
        return F.lit(None).cast(column.spark_type)
    value = decoded(column, physical, f"`{_RAW}{column.name}`", SPARK)
    if value is None:
        raise ValueError(f"column {column.name} cannot be decoded from {physical}; ask schema_problem first")
    return F.expr(value).cast(column.spark_type)


def _change_times(values: Mapping[str, SparkColumn]) -> dict[str, SparkColumn]:
    """The two times of a change, by the rules that need more than one value.

    Nothing was captured in 1970: a time of 0, as some connectors send where they have none, or an earlier one, is unreadable.
    Snapshot rows have no commit: a READ whose `__source_ts_ms` is 0 or null takes its `__ts_ms`.
    """
    epoch = F.timestamp_millis(F.lit(0))
    seen, committed = values["__ts_ms"], values["__source_ts_ms"]
    seen = F.when(seen > epoch, seen)
    unknown = F.coalesce(committed == epoch, F.col(f"{_RAW}__source_ts_ms").isNull())
    read = values["__op"].eqNullSafe("READ")
    return {
        "__ts_ms": seen,
        "__source_ts_ms": F.when(committed > epoch, committed).when(read & unknown, seen),
    }


def _problems(contract: Contract) -> Iterable[tuple[SparkColumn, QuarantineReason, Column]]:
    """Every way in which a decoded row can be untrue: condition, reason, column; the first that holds names the row."""
    raw = {column.name: F.col(f"{_RAW}{column.name}") for column in event_columns(contract)}
    for key in contract.key_columns:
        yield raw[key.name].isNull(), QuarantineReason.NULL_KEY, key
    for column in event_columns(contract):
        value = F.col(column.name)
        unreadable = raw[column.name].isNotNull() & value.isNull()
        if column.name == "__op":
            yield value.isNull(), QuarantineReason.UNKNOWN_OPERATION, column
        elif column.name == "__source_lsn":
            yield unreadable | (F.coalesce(value, F.lit(0)) < 0), QuarantineReason.UNREADABLE_LSN, column
            lacks = value.isNull() & ~F.col("__op").eqNullSafe("READ")
            yield lacks, QuarantineReason.MISSING_LSN, column
        else:
            stamp = column.type in (LogicalType.TIMESTAMP, LogicalType.DATE)
            fits = QuarantineReason.UNREADABLE_TIMESTAMP if stamp else QuarantineReason.VALUE_DOES_NOT_FIT
            yield unreadable, fits, column
            if column.required and not column.primary_key:
                # A DELETE carries its key; other columns of the table may be null (REPLICA IDENTITY DEFAULT).
                always = column in CDC_COLUMNS
                applies = value.isNull() if always else ~F.col("__op").eqNullSafe("DELETE")
                absent = raw[column.name].isNull() & applies
                reason = QuarantineReason.MISSING_TIMESTAMP if stamp else QuarantineReason.MISSING_VALUE
                yield absent, reason, column


def is_unfit(contract: Contract) -> SparkColumn:
    """Whether a decoded row belongs to quarantine; never null."""
    conditions = [condition for condition, _, _ in _problems(contract)]
    return F.coalesce(reduce(or_, conditions), F.lit(True))


def first_problem(contract: Contract) -> SparkColumn:
    """Struct (reason, column_name, detail) of a decoded row's first problem; null for a good row."""
    checked: SparkColumn | None = None
    for condition, reason, column in _problems(contract):
        value = F.col(f"{_RAW}{column.name}").cast("string")
        shown = F.coalesce(F.concat(F.lit("found "), F.left(value, F.lit(200))), F.lit("found nothing"))
        problem = F.struct(
            F.lit(reason.value).alias("reason"),
            F.lit(column.name).alias("column_name"),
            F.concat(shown, F.lit(f", expected {column.spark_type}")).alias("detail"),
        )
        checked = F.when(condition, problem) if checked is None else checked.when(condition, problem)
    if checked is None:
        raise ValueError(f"contract {contract.table} has no columns")
    return checked


def days_filter(days: Iterable[date]) -> SparkColumn:
    """The rows of these landing days."""
    return F.col(_DATE).isin(sorted(days))
