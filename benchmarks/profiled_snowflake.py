"""The Snowflake stand-in with small row groups, which writes down how many rows each statement of a dbt model reads.

What belongs here: the server process. What does not: what the figures say (model_reads.py).

    python -m benchmarks.profiled_snowflake --data-dir data PROFILE.jsonl
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Rows of a group, the unit that DuckDB leaves out by its least and greatest values, as Snowflake does with a micro-partition.
#: Small (DuckDB's own choice is 122,880), so that a history of some ten thousand rows has many.
ROW_GROUP_SIZE = 2048
#: The table that a model's statement is for: a published mart's goes through a table of the session first.
_PUBLISHED = re.compile(r"\bcomputed_(\w+)", re.IGNORECASE)
_WRITTEN = re.compile(
    r"\s*(?:create or replace table|insert into|delete from)\s+\w+\.(?:staging|intermediate|marts)\.(\w+)",
    re.IGNORECASE,
)


def model_of(statement: str) -> str | None:
    """The table, in lower case; None for a statement that writes no model."""
    target = _PUBLISHED.search(statement) or _WRITTEN.match(statement)
    return target[1].lower() if target else None


class _Recorder:
    """A DuckDB connection that writes down what each statement read."""

    def __init__(self, duck: Any, model: str, profile: Path) -> None:
        self._duck, self._model, self._profile = duck, model, profile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._duck, name)

    def execute(self, *arguments: Any) -> Any:
        done = self._duck.execute(*arguments)
        plan = json.loads(self._duck.get_profiling_information(format="json"))
        with self._profile.open("a", encoding="utf-8") as lines:
            for table, rows in _scans(plan):
                lines.write(json.dumps({"model": self._model, "table": table, "rows": rows}) + "\n")
        return done


def _scans(plan: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Table and rows read of each scan."""
    for operator in plan.get("operator", []) + plan.get("children", []):
        _, _, table = str(operator.get("extra_info", {}).get("Table", "")).replace('"', "").lower().partition(".")
        if table.startswith(("raw.", "staging.", "intermediate.", "marts.")):
            yield table, int(operator.get("rows_scanned", 0))
        yield from _scans(operator)


def install(profile: Path) -> None:
    """Wraps fakesnow's execution and its database. To be called before the server opens either."""
    from fakesnow import info_schema, macros
    from fakesnow.cursor import FakeSnowflakeCursor
    from fakesnow.instance import FakeSnow

    from ecommerce_platform.stand_ins import snowflake_server
    from ecommerce_platform.stand_ins.snowflake_shims import guard, pipeline

    execute, opened = pipeline._fakesnow_execute, FakeSnow.__init__

    def profiled(cursor: FakeSnowflakeCursor, command: str, params: Any = None, **options: Any) -> FakeSnowflakeCursor:
        model = model_of(command)
        if model is None:
            return execute(cursor, command, params, **options)
        duck: Any = cursor._duck_conn
        duck.execute("set enable_profiling = 'no_output'")
        cursor._duck_conn = _Recorder(duck, model, profile)  # type: ignore[assignment]
        try:
            return execute(cursor, command, params, **options)
        finally:
            cursor._duck_conn = duck
            duck.execute("reset enable_profiling")

    def with_small_groups(instance: FakeSnow, *arguments: Any, **options: Any) -> None:
        opened(instance, *arguments, **options)
        database, duck = snowflake_server.DATABASE, instance.duck_conn
        duck.execute(f"attach '{instance.db_path}/{database}.db' as {database} (row_group_size {ROW_GROUP_SIZE})")
        duck.execute(info_schema.per_db_creation_sql(database))
        duck.execute(macros.creation_sql(database))

    pipeline._fakesnow_execute = profiled  # type: ignore[assignment]
    FakeSnow.__init__ = with_small_groups  # type: ignore[method-assign, assignment]
    # The profile is a setting, and these are locked together with DuckDB's files.
    guard.close_files = lambda duck, folders: None


if __name__ == "__main__":
    from ecommerce_platform.stand_ins.server_process import run_server
    from ecommerce_platform.stand_ins.server_state import ServerKind
    from ecommerce_platform.stand_ins.snowflake_server import serve

    install(Path(sys.argv.pop()))
    sys.exit(run_server(ServerKind.SNOWFLAKE, serve))
