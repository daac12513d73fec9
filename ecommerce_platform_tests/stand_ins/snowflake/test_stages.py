# ruff: noqa: DTZ001 (TIMESTAMP_NTZ has no zone)
"""PUT, COPY INTO, LIST and REMOVE on the load stage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import ProgrammingError

Sql = Callable[..., Any]
_COPY = (
    "copy into raw.loaded (id, amount, moment, batch_id) from (select $1:id::number, $1:amount::number(10,2), "
    "$1:moment::timestamp_ntz, 'b1' from {stage}) file_format = (type = parquet use_logical_type = true) "
    "on_error = abort_statement force = true {more}"
)


@pytest.fixture
def staged(sql: Sql, tmp_path: Path) -> str:
    """Two files on the stage, below a path of their own."""
    stage = "@ecommerce_dw.raw.load_stage/loaded/b1"
    sql(f"remove {stage}")
    sql("create or replace table raw.loaded (id number, amount number(10,2), moment timestamp_ntz, batch_id string)")
    for number, name in enumerate(("part 1.parquet", "part-2.parquet"), start=1):
        rows = {
            "id": [number],
            "amount": pa.array([Decimal("1.10") if number == 1 else None], pa.decimal128(10, 2)),
            "moment": pa.array([datetime(2026, 1, 1, 1, 2, 3, 456789)], pa.timestamp("us", "UTC")),
        }
        pq.write_table(pa.table(rows), tmp_path / name)
        put = f"put 'file://{tmp_path / name}' {stage} auto_compress = false overwrite = true"
        assert sql(put)[0][6] == "UPLOADED"
    return stage


def test_files_are_copied_with_a_transforming_select(sql: Sql, staged: str) -> None:
    copied = sql(_COPY.format(stage=staged, more=""))
    assert [(row[1], row[3]) for row in copied] == [("LOADED", 1), ("LOADED", 1)]
    at = datetime(2026, 1, 1, 1, 2, 3, 456789)
    assert sql("select * from raw.loaded order by id") == [(1, Decimal("1.10"), at, "b1"), (2, None, at, "b1")]


def test_a_stage_may_be_written_in_quotes_and_files_may_be_named(sql: Sql, staged: str) -> None:
    sql(_COPY.format(stage=f"'{staged}/'", more="files = ('part-2.parquet')"))
    assert sql("select id from raw.loaded") == [(2,)]


def test_delete_copy_and_insert_are_undone_together(sql: Sql, staged: str) -> None:
    sql("insert into raw.loaded (id) values (7)")
    sql("begin")
    sql("delete from raw.loaded")
    sql(_COPY.format(stage=staged, more=""))
    sql("insert into raw.loaded (id) values (8)")
    sql("rollback")
    assert sql("select id from raw.loaded") == [(7,)]


def test_list_and_remove_know_paths(sql: Sql, staged: str) -> None:
    assert [row[0] for row in sql(f"list {staged}")] == [
        "load_stage/loaded/b1/part 1.parquet",
        "load_stage/loaded/b1/part-2.parquet",
    ]
    assert [row[0] for row in sql(f"list {staged}/part-2")] == ["load_stage/loaded/b1/part-2.parquet"]
    assert len(sql(f"remove {staged}/part-2")) == 1
    assert len(sql(f"rm {staged}")) == 1
    assert sql(f"list {staged}") == []


def test_a_stage_that_is_not_there_is_named(sql: Sql) -> None:
    with pytest.raises(ProgrammingError, match=r"ECOMMERCE_DW.RAW.NO_STAGE"):
        sql("list @raw.no_stage/x")


def test_staged_files_lie_in_the_data_directory(sql: Sql, staged: str, data_dir: Path) -> None:
    names = {path.name for path in (data_dir / "run" / "snowflake-stages").rglob("*.parquet")}
    assert {"part 1.parquet", "part-2.parquet"} <= names
