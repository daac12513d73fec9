"""The Snowflake stand-in's database written again, so that nothing of deleted or changed rows is left in its file.

What belongs here: the copy of the file. What does not: what was deleted (the room erasure). DuckDB keeps the pages that an update
has freed in the file, with what they held.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ecommerce_platform.stand_ins.server_state import EmbeddedServerError, ServerFiles, ServerKind
from ecommerce_platform.stand_ins.servers import stopped

_DRAFT = ".compacted"


def compact_snowflake(data_dir: Path) -> None:
    """Ends the stand-in and copies its databases into new files; the next command starts it again. Sessions of others end."""
    files = ServerFiles(Path(data_dir).expanduser().resolve(), ServerKind.SNOWFLAKE)
    if not files.storage_dir.is_dir():
        return
    with stopped(files):
        for draft in files.storage_dir.glob(f"*{_DRAFT}*"):
            draft.unlink()
        for database in sorted(files.storage_dir.glob("*.db")):
            _copy(database)
        shutil.rmtree(files.run_dir / "snowflake-spill", ignore_errors=True)
        shutil.rmtree(files.run_dir / "snowflake-stages", ignore_errors=True)


def _copy(database: Path) -> None:
    import duckdb

    draft = database.with_name(database.name + _DRAFT)
    with duckdb.connect() as engine:
        engine.execute(
            f"attach {_literal(database)} as held (read_only)"
            if not _log(database).exists()
            else f"attach {_literal(database)} as held"
        )
        engine.execute(f"attach {_literal(draft)} as fresh")
        engine.execute("copy from database held to fresh")
        before, after = (_tables(engine, name) for name in ("held", "fresh"))
        if _log(database).exists():  # the copy must never meet the log of what it replaces
            engine.execute("checkpoint held")
        engine.execute("detach held")
        engine.execute("checkpoint fresh")
        engine.execute("detach fresh")
    if before != after:
        draft.unlink()
        raise EmbeddedServerError(f"{database} could not be copied: expected {before}, the copy has {after}")
    _log(database).unlink(missing_ok=True)
    draft.replace(database)


def _tables(engine, name: str) -> list[tuple[str, str, int]]:  # type: ignore[no-untyped-def]
    """Each table and its rows, counted: DuckDB's own estimate still counts rows that were deleted."""
    tables = engine.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ? order by all", [name]
    ).fetchall()
    return [
        (schema, table, engine.execute(f"select count(*) from {_path(name, schema, table)}").fetchall()[0][0])
        for schema, table in tables
    ]


def _path(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _log(database: Path) -> Path:
    return database.with_name(database.name + ".wal")


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
