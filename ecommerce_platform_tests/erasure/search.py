"""Looks for a text in everything that an installation has: every file, whatever it is packed in, and every table.

What belongs here: unpacking and looking. What does not: what should be gone.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from ecommerce_platform.reconciliation.layers.clickhouse import connect as clickhouse
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import connect, fetch_all


def files_with(root: Path, marker: str) -> list[str]:
    """The files below `root` with the text, as they are or unpacked; each with the layer that has it."""
    files = []
    for path in sorted(item for item in root.rglob("*") if item.is_file() and not item.is_symlink()):
        for layer, content in _layers(path):
            if marker.encode() in content:
                files.append(f"{path.relative_to(root)} ({layer})")
                break
    return files


def _layers(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:  # a server's file that came and went
        return
    yield "as it is", raw
    if raw[:2] == b"\x1f\x8b":
        try:
            yield "gunzipped", gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            yield "gunzipped", b""
    if raw[:4] == b"PAR1" and raw[-4:] == b"PAR1":
        parquet = pq.ParquetFile(path)
        yield "footer", str(parquet.metadata.to_dict()).encode() + str(parquet.metadata.metadata).encode()
        yield "rows", str(parquet.read().to_pylist()).encode()
    if raw[:4] == b"Obj\x01":
        yield "blocks", b"".join(_avro_blocks(raw))


def _avro_blocks(raw: bytes) -> Iterator[bytes]:
    """The blocks of an Avro file, unpacked (https://avro.apache.org/docs/1.12.0/specification/#object-container-files)."""
    place, codec = 4, b"null"
    while count := _long(raw, place)[0]:
        _, place = _long(raw, place)
        if count < 0:
            _, place = _long(raw, place)
        for _ in range(abs(count)):
            (name, place), (value, place) = (pair := _bytes(raw, place)), _bytes(raw, pair[1])
            codec = value if name == b"avro.codec" else codec
    place = _long(raw, place)[1] + 16
    while place < len(raw):
        _, place = _long(raw, place)
        block, place = _bytes(raw, place)
        place += 16
        assert codec in (b"null", b"deflate"), codec
        yield zlib.decompress(block, wbits=-15) if codec == b"deflate" else block


def _long(raw: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place


def _bytes(raw: bytes, place: int) -> tuple[bytes, int]:
    length, place = _long(raw, place)
    return raw[place : place + length], place + length


def tables_with(settings: Settings, marker: str) -> list[str]:
    """The tables of the warehouse and of the speed layer that have the text in any column."""
    holding = []
    with connect(settings) as connection:
        tables = fetch_all(
            connection,
            "select table_schema, table_name from information_schema.tables where table_schema <> 'INFORMATION_SCHEMA'",
        )
        for schema, table in tables:
            rows = fetch_all(connection, f'select * from {schema}."{table}"')
            if any(marker in str(value) for row in rows for value in row):
                holding.append(f"{schema}.{table}")
    client = clickhouse(settings)
    try:
        names = client.query(
            "select database, name from system.tables where database not like '%nformation%'"
        ).result_rows
        for database, name in names:
            if database == "system":
                continue
            rows = client.query(f"select * from `{database}`.`{name}`").result_rows
            if any(marker in str(value) for row in rows for value in row):
                holding.append(f"clickhouse {database}.{name}")
    finally:
        client.close()
    return holding
