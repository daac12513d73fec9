"""A dbt-duckdb project with the same marts: what one would write for one machine, without any other engine.

What belongs here: the project's files, made of the oracle's SQL (it is written from docs/definitions.md, not from the
platform's models), and running it. What does not: what is measured (__init__.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.installation import FIRST_DAY, PROJECT
from benchmarks.whole_day.marts import digest as digest_of
from ecommerce_platform_tests.end_to_end.event_order import EVENT_ORDER
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS, METADATA
from ecommerce_platform_tests.end_to_end.oracle import SQL_DIR, Thresholds
from ecommerce_platform_tests.end_to_end.value_decode import BIGINT, INT, MONEY, TEXT, TIMESTAMP

DBT = PROJECT / ".venv-benchmarks" / "bin" / "dbt"
_STATEMENT = re.compile(r"^create (table|macro) (\w+)", re.MULTILINE)
_CREATE_TABLE = re.compile(r"create table \w+ as\s+")
_PROJECT = """name: plain
version: 1.0.0
profile: plain
model-paths: [models]
models: {plain: {+materialized: table}}
on-run-start: "{{ macros_of_the_project() }}"
flags: {send_anonymous_usage_stats: false}
"""
_PROFILE = (
    "plain: {target: dev, outputs: {dev: {type: duckdb, path: plain.duckdb, threads: 2, settings: {TimeZone: UTC}}}}\n"
)


def write(folder: Path, landing: Path, day: date) -> None:
    """The project, and no database yet."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    (folder / "macros").mkdir()
    (folder / "dbt_project.yml").write_text(_PROJECT)
    (folder / "profiles.yml").write_text(_PROFILE)
    models = {f"event_{table}": events(table, landing, day) for table in COLUMNS}
    functions = []
    for file in ("state.sql", "staging.sql", "marts.sql"):
        for kind, name, text in statements((SQL_DIR / file).read_text(encoding="utf-8")):
            text = with_values(text, day)
            if kind == "macro":
                functions.append(text.replace("create macro", "create or replace macro", 1))
            else:
                models[name] = _CREATE_TABLE.sub("", text, count=1)
    tables = re.compile(rf"\b(from|join) ({'|'.join(models)})\b")
    for name, sql in models.items():
        (folder / "models" / f"{name}.sql").write_text(tables.sub(r"\1 {{ ref('\2') }}", sql))
    macro = "{% macro macros_of_the_project() %}\n" + ";\n".join(functions) + "\n{% endmacro %}\n"
    (folder / "macros" / "macros.sql").write_text(macro)


def statements(text: str) -> list[tuple[str, str, str]]:
    """Kind, name and text of each statement of a file, without its semicolon."""
    starts = list(_STATEMENT.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [
        (match[1], match[2], re.sub(r"^--.*$", "", text[match.start() : end], flags=re.MULTILINE).strip().rstrip(";"))
        for match, end in zip(starts, ends, strict=True)
    ]


def with_values(sql: str, day: date) -> str:
    """Thresholds and the day in place of the session's variables."""
    days = {"as_of": day, "start_date": FIRST_DAY}
    values = {name: str(value) for name, value in Thresholds().variables().items()}
    values |= {name: f"date '{value}'" for name, value in days.items()}
    return re.sub(r"getvariable\('(\w+)'\)", lambda match: values[match[1]], sql)


def events(table: str, landing: Path, day: date) -> str:
    """The day's change events of a table, typed and numbered in event order (docs/definitions.md)."""
    types = {BIGINT: "bigint", INT: "integer", MONEY: "decimal(10, 2)", TEXT: "varchar"}
    selected = []
    for name, kind in {**COLUMNS[table], **METADATA}.items():
        if name == "__op":
            value = "case __op when 'c' then 'INSERT' when 'u' then 'UPDATE' when 'd' then 'DELETE' else 'READ' end"
        elif kind == TIMESTAMP:
            value = f"{'epoch_ms' if name.endswith('_ms') else 'make_timestamp'}({name})"
        else:
            value = f"{name}::{types[kind]}"
        selected.append(f"{value} as {name}")
    files = landing / table / f"date={day}" / "*.parquet"
    # A snapshot row without LSN stands right after the highest one that the connector had seen of the key by then.
    stands_at = "coalesce(__source_lsn, max(__source_lsn) over (partition by id order by __ts_ms))"
    place = "stands_at nulls first, __source_lsn is null, __ts_ms, __source_file, __source_row"
    return (
        f"select * exclude (stands_at), row_number() over (partition by id order by {place}) as {EVENT_ORDER}\n"
        f"from (select *, {stands_at} as stands_at from (\n"
        f"select {', '.join(selected)}, date '{day}' as date, filename as __source_file, file_row_number as __source_row\n"
        f"from read_parquet('{files}', filename = true, file_row_number = true, hive_partitioning = false)))"
    )


def build(folder: Path) -> float:
    """`dbt run` in a process of its own; its seconds. Raises RuntimeError with dbt's words."""
    started = time.perf_counter()
    command = [str(DBT), "--quiet", "run", "--project-dir", ".", "--profiles-dir", "."]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"dbt on DuckDB failed: {(ended.stdout + ended.stderr)[-3000:]}")
    return time.perf_counter() - started


def digest(folder: Path) -> dict[str, tuple[int, str]]:
    """Of the marts in the database file."""
    with duckdb.connect(str(folder / "plain.duckdb"), read_only=True) as engine:
        engine.execute("set TimeZone = 'UTC'")

        def query(sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
            rows = engine.execute(sql)
            return [column[0] for column in rows.description or ()], rows.fetchall()

        return digest_of(query, lambda mart: f"marts_{mart}")
