"""Kinds of bad files, each on a day of its own, with the message that refuses the day, or what is published nevertheless."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecommerce_platform_tests.lakehouse.lake import ORDER_SCHEMA, order

GOOD = pa.Table.from_pylist([order(1, 1)], ORDER_SCHEMA)
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class FileKind:
    """`write` puts files into the day's folder. `refused` is part of the message; None when the day is published, with `rows`.
    `after_writing` means that only reading the data shows it.
    """

    name: str
    write: Callable[[Path], object]
    refused: str | None = None
    rows: int = 1
    after_writing: bool = False
    #: Values of the one published row.
    values: dict[str, Any] = field(default_factory=dict)
    #: Whether the refusal is of a column beyond the contract, which the speed layer's loader leaves in the file.
    beyond_contract: bool = False


def parquet(content: pa.Table, name: str = "part-0.parquet") -> Callable[[Path], object]:
    return lambda folder: pq.write_table(content, folder / name)


def raw(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "part-0.parquet").write_bytes(content)


def good_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(GOOD, sink)
    return sink.getvalue().to_pybytes()


def no_rows() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(GOOD.slice(0, 0), sink)
    return sink.getvalue().to_pybytes()


def damaged_pages(folder: Path) -> None:
    """The data is overwritten, the footer is whole."""
    content = bytearray(good_bytes())
    content[4:60] = b"\xff" * 56
    (folder / "part-0.parquet").write_bytes(bytes(content))


def column(name: str, values: pa.Array | list[Any]) -> pa.Table:
    """The good file with one column as given."""
    return GOOD.set_column(GOOD.schema.get_field_index(name), name, values)


def without(name: str) -> FileKind:
    return FileKind(
        f"a file that lacks {name}", parquet(GOOD.drop_columns([name])), f"column {name} is missing; found "
    )


def wrong(name: str, kind: str, values: pa.Array) -> FileKind:
    return FileKind(f"{name} as {kind}", parquet(column(name, values)), f"column {name} is {kind}")


def extra(name: str, kind: str, values: Any, message: str) -> FileKind:
    return FileKind(kind, parquet(GOOD.append_column(name, values)), message, beyond_contract=True)


def together(**files: pa.Table) -> Callable[[Path], object]:
    return lambda folder: [pq.write_table(content, folder / f"{name}.parquet") for name, content in files.items()]


def beside(name: str, content: bytes = b"half written") -> Callable[[Path], object]:
    """A good file, and something else beside it."""

    def write(folder: Path) -> None:
        pq.write_table(GOOD, folder / "part-0.parquet")
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return write


def folder_as_file(folder: Path) -> None:
    (folder / "part-0.parquet").mkdir()
    pq.write_table(GOOD, folder / "part-0.parquet" / "part-0.parquet")


HALF = good_bytes()[: len(good_bytes()) // 2]

ORDINARY: tuple[FileKind, ...] = (
    FileKind("an empty file", raw(b""), "it is empty (0 bytes)"),
    FileKind("a file of four bytes", raw(b"PAR1"), "its footer cannot be read"),
    FileKind("a truncated file", raw(HALF), "its footer cannot be read"),
    FileKind("a file without its beginning", raw(good_bytes()[len(HALF) :]), "cannot be read"),
    FileKind("a file and another behind it", raw(good_bytes() * 2), "it holds more than one Parquet file"),
    FileKind("a file and a footer without rows behind it", raw(good_bytes() + no_rows()), "more than one Parquet file"),
    FileKind("a file and a line end behind it", raw(good_bytes() + b"\n"), "its footer cannot be read"),
    FileKind("a file of comma-separated values", raw(b"id,status\n1,pending\n" * 20), "its footer cannot be read"),
    FileKind("a JSON file", raw(b'{"id": 1}' * 20), "its footer cannot be read"),
    FileKind("a compressed file", raw(gzip.compress(good_bytes())), "its footer cannot be read"),
    FileKind("a folder with the name of a file", folder_as_file),
    FileKind(
        "damaged pages under a whole footer",
        damaged_pages,
        "its footer is whole, but its data cannot be read",
        after_writing=True,
    ),
    without("id"),
    without("__op"),
    without("__ts_ms"),
    without("__source_ts_ms"),
    without("created_at"),
    wrong("id", "double", pa.array([1.0])),
    wrong("id", "boolean", pa.array([True])),
    wrong("id", "timestamp, adjusted to UTC", pa.array([AT], pa.timestamp("us", "UTC"))),
    wrong("total_amount", "double", pa.array([10.0])),
    wrong("total_amount", "float", pa.array([10.0], pa.float32())),
    wrong("total_amount", "bigint", pa.array([10])),
    wrong("created_at", "double", pa.array([1.7e9])),
    wrong("created_at", "date", pa.array([AT.date()])),
    wrong("created_at", "boolean", pa.array([True])),
    wrong("status", "bigint", pa.array([1])),
    wrong("status", "nested", pa.array([{"code": "pending"}])),
    wrong("shipping_address", "nested", pa.array([["1 Main St"]])),
    wrong("__source_lsn", "double", pa.array([1.0])),
    wrong("__op", "int", pa.array([1], pa.int32())),
    FileKind(
        "a column in another case",
        parquet(GOOD.rename_columns([name.replace("status", "STATUS") for name in GOOD.column_names])),
        "column STATUS is spelled in another case; expected status",
    ),
    FileKind(
        "a column twice, in two cases",
        parquet(GOOD.append_column("Status", pa.array(["x"]))),
        "column status is present more than once",
    ),
    extra(
        "note",
        "an unknown column that is nested",
        pa.array([{"a": 1}]),
        "column 'note' is nested and not in the contract",
    ),
    extra(
        "weight", "an unknown column of floats", pa.array([1.5]), "column 'weight' is double and not in the contract"
    ),
    extra(
        "photo", "an unknown column of bytes", pa.array([b"\x00"]), "column 'photo' is binary and not in the contract"
    ),
    extra('"; drop table x', "an unknown column with a name of SQL", pa.array([1]), "its name cannot be used"),
    extra("größe", "an unknown column with a name beyond ASCII", pa.array([1]), "its name cannot be used"),
    extra(
        "batch_id",
        "an unknown column with a name of the platform's own",
        pa.array([1]),
        "a name that the platform uses",
    ),
    FileKind(
        "two files that disagree on an unknown column",
        together(a=GOOD.append_column("c", pa.array(["x"])), b=GOOD.append_column("c", pa.array([1]))),
        "is string in orders/date=",
        beyond_contract=True,
    ),
    FileKind("a good file and a bad one", beside("z.parquet", b"PAR1"), "z.parquet"),
    FileKind("a file of a frame without rows and types", together(a=GOOD, b=pa.table({"id": pa.array([], pa.null())}))),
    FileKind("a file whose writer is not done", beside("part-1.parquet.tmp")),
    FileKind("a hidden file", beside(".part-1.parquet")),
    FileKind("a file of a job's own", beside("_part-1.parquet")),
    FileKind("a marker of success", beside("_SUCCESS", b"")),
    FileKind("a file in a folder below", beside("_temporary/part-1.parquet")),
    FileKind("a file of another kind", beside("part-1.csv"), "its footer cannot be read: the file is text"),
    FileKind("a folder without files", lambda folder: None, rows=0),
    FileKind(
        "only rows that are not events",
        parquet(column("__source_lsn", pa.array([None], pa.int64()))),
        "1 of 1 rows (100.00%)",
        after_writing=True,
    ),
)
