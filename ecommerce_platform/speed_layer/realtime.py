"""The speed layer's table `orders_realtime`, for installations that have no speed layer of their own.

What belongs here: the table and loading order versions into it. What does not: reading the Parquet (order_versions.py), and
comparing the layers (the reconciliation room).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.landing.files import list_folder
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.speed_layer.order_versions import KnownTexts, OrderVersions, RealtimeLoadError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["LoadedVersions", "RealtimeLoadError", "create_orders_realtime", "load_realtime"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYS_PER_QUERY = 5_000


def create_orders_realtime(client: Client, table: str, contract: Contract | None = None) -> None:
    """Create the table of order versions if it is not there.

    Columns: those of the orders contract, then `__op`, `__source_lsn`, `__source_ts_ms` and `is_deleted`; of the versions of
    an order ReplacingMergeTree keeps the one with the highest `__source_lsn`
    (https://clickhouse.com/docs/engines/table-engines/mergetree-family/replacingmergetree).
    """
    contract = contract or load_contracts()["orders"]
    columns = [f"{_identifier(column.name)} {column.clickhouse_type}" for column in contract.columns]
    columns += [
        "__op String",
        "__source_lsn UInt64",
        "__source_ts_ms DateTime64(3, 'UTC')",
        "is_deleted UInt8",
    ]
    client.command(
        f"CREATE TABLE IF NOT EXISTS {_table(table)} ({', '.join(columns)}) "
        f"ENGINE = ReplacingMergeTree(__source_lsn, is_deleted) ORDER BY {_identifier(contract.key)}"
    )


@dataclass(frozen=True)
class LoadedVersions:
    """What a load did: rows read into the table, and rows left out because they cannot be versions."""

    rows: int
    skipped: int = 0


def load_realtime(
    client: Client,
    table: str,
    path: Path,
    contract: Contract,
    skip_unreadable: bool = False,
    ignore: Sequence[str] = (),
    reached: Reached = unseen,
) -> LoadedVersions:
    """Load the order versions of a Parquet file, or of every file below a folder that counts by the landing zone's rules;
    `ignore` are the patterns of the setting `landing.ignore`; `reached` hears of the rows that are in.

    `is_deleted` follows from `__op`; columns that the contract does not know are ignored; loading again changes nothing.
    Raises RealtimeLoadError naming the file, the column and what was expected; with `skip_unreadable`, rows that the
    lakehouse would quarantine are left out and counted, and only a file that cannot be read as a whole is an error.
    """
    name = _table(table)
    versions = OrderVersions(contract, _landing_files(Path(path), ignore), skip_unreadable)
    try:
        if keys := versions.keys_with_unchanged_text():
            versions.fill_unchanged(_known_texts(client, name, contract, keys))
        done, rows = 0, versions.row_count  # asked before: while batches are read, DuckDB takes no other question
        for batch in versions.batches():
            reached(f"versions into {table}", done, rows)
            client.insert_arrow(table, batch)
            done += batch.num_rows
        return LoadedVersions(rows, versions.skipped)
    finally:
        versions.close()


def _landing_files(path: Path, ignore: Sequence[str]) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RealtimeLoadError(f"{path} is not there; expected a Parquet file or a folder of them")
    files = [Path(file.uri) for file in list_folder(path, ignore)]
    if not files:
        raise RealtimeLoadError(
            f"{path} holds no file to read; hidden, unfinished and ignored files do not count; expected Parquet files"
        )
    return files


def _known_texts(client: Client, table: str, contract: Contract, keys: Sequence[int]) -> KnownTexts:
    """The versions of these orders that the table holds, merged or not."""
    key = _identifier(contract.key)
    columns = ", ".join([key, "__source_lsn", *(_identifier(name) for name in contract.text_columns)])
    tables = [
        client.query_arrow(
            f"SELECT {columns} FROM {table} WHERE {key} IN {{keys:Array(Int64)}}",
            parameters={"keys": list(part)},
            use_strings=True,
        )
        for part in _parts(keys)
    ]
    return KnownTexts(pa.concat_tables(tables))


def _parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[start : start + _KEYS_PER_QUERY]


def _table(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 2:
        raise RealtimeLoadError(f"{name!r} is not a table's name; expected table or database.table")
    return ".".join(map(_identifier, parts))


def _identifier(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RealtimeLoadError(f"{name!r} is not a usable name in ClickHouse; expected letters, digits and _")
    return f"`{name}`"
