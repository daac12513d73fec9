"""The project for dbt on DuckDB follows the oracle's SQL, which changes without the benchmark being run."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from benchmarks.whole_day import duckdb_project
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS
from ecommerce_platform_tests.end_to_end.oracle import SQL_DIR


def test_each_table_of_the_oracle_is_a_model_that_needs_nothing_of_the_session(tmp_path: Path) -> None:
    duckdb_project.write(tmp_path / "project", tmp_path / "landing", date(2026, 1, 1))
    models = {path.stem: path.read_text() for path in (tmp_path / "project" / "models").glob("*.sql")}
    macros = (tmp_path / "project" / "macros" / "macros.sql").read_text()
    tables = {name for file in SQL_DIR.glob("*.sql") for name in re.findall(r"create table (\w+)", file.read_text())}
    assert len(tables) > 20
    assert set(models) == tables | {f"event_{table}" for table in COLUMNS}
    for name, sql in models.items():
        assert re.match(r"(select|from|with)\b", sql), f"{name} is not a query: {sql[:80]}"
        assert "create table" not in sql
        assert "getvariable" not in sql
    assert "getvariable" not in macros
