"""The models computed again, although nothing says that they must be.

What belongs here: which models a rebuild runs, its course, and what it changed. What does not: RAW (warehouse/load/rebuild.py),
the command line.

Over all days everything is recomputed; published marts are replaced row by row in a transaction, other tables by one
`create or replace`, so the last good state stays readable. Over some landing days, these are taken off STAGING.APPLIED_DAYS
and the next run, which is started here, computes again every row that their changes touch.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.row_hash import snowflake_rows_hash
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.applied import full_refresh_reason, mark_applied, read_build_state
from ecommerce_platform.transformation.builds.build import exclusive_build
from ecommerce_platform.transformation.builds.runner import DbtRequest, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest, load_manifest
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.rebuild import Range
from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS
from ecommerce_platform.warehouse.schema.lease import Lease
from ecommerce_platform.warehouse.schema.upgrade import ensure_current
from ecommerce_platform.warehouse.sql.connection import Opener, execute, fetch_all, quoted

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

Say = Callable[[str], None]

_STAMPS = {"processed_at", "last_updated"}
_TYPES = {
    "NUMBER": LogicalType.BIGINT,
    "TEXT": LogicalType.TEXT,
    "DATE": LogicalType.DATE,
    "TIMESTAMP_NTZ": LogicalType.TIMESTAMP,
    "BOOLEAN": LogicalType.BOOLEAN,
}


class Models(StrEnum):
    """What is rebuilt. Staging means all that stands on it, too."""

    STAGING = "staging"
    MARTS = "marts"


def rebuild_models(
    settings: Settings,
    open_connection: Opener,
    models: Models,
    days: Range,
    run_id: str,
    say: Say,
    reached: Reached = unseen,
) -> None:
    """Computes the models again and says which tables are other than before.

    Raises DbtRunError when dbt fails, LeaseBusy when another build of the warehouse does not end in time.
    """
    project = DbtProject.of(settings)
    with open_connection() as connection:
        ensure_current(connection)
        with exclusive_build(settings.dbt, settings.snowflake, connection, open_connection, run_id, say) as lease:
            before = contents(project, connection)
            run = partial(run_dbt, settings, run_id=run_id, lease=lease, reached=reached)
            _rebuild(project, connection, lease, models, days, run, say)
            after = contents(project, connection)
    for table, content in after.items():
        if (held := before.get(table)) != content:
            say(f"{table}: {content}; before: {held or 'not there'}")
    same = sum(before.get(table) == content for table, content in after.items())
    say(f"models compared with before: {same} of {len(after)} tables are the same")


def _rebuild(
    project: DbtProject,
    connection: SnowflakeConnection,
    lease: Lease,
    models: Models,
    days: Range,
    run: Callable[[DbtRequest], object],
    say: Say,
) -> None:
    definition = definition_digest(project)
    if not days.is_everything:
        say(f"landing days to apply again: {_forget_applied(connection, days)}")
    reason = full_refresh_reason(read_build_state(connection), definition)
    cause = f"rebuild of {models}, {days}"
    select: tuple[str, ...] = ()
    if days.is_everything:
        select = ("tag:marts",) if models is Models.MARTS and reason is None else ()
        request = DbtRequest(select=select, full_refresh=True, cause=cause)
    else:
        request = DbtRequest(full_refresh=reason is not None, cause=cause)
    say(f"dbt build {' '.join(select) or 'of all models'}{', everything recomputed' if request.full_refresh else ''}")
    run(request)
    if not select:
        mark_applied(connection, definition, lease)


def _forget_applied(connection: SnowflakeConnection, days: Range) -> int:
    applied = {day for (day,) in fetch_all(connection, f"select distinct date from {APPLIED_DAYS}") if day in days}
    for day in sorted(applied):
        execute(connection, f"delete from {APPLIED_DAYS} where date = %s", (day,))
    return len(applied)


def contents(project: DbtProject, connection: SnowflakeConnection) -> dict[str, Content]:
    """Rows and checksum of each model's table that is there, audit stamps left out."""
    columns = _columns(connection)
    content_by_day = {}
    for node in load_manifest(project)["nodes"].values():
        if node["resource_type"] != "model" or node["config"]["materialized"] == "ephemeral":
            continue
        name = f"{node['schema']}.{node['alias']}".upper()
        if name in columns:
            sql = f"select count(*), {snowflake_rows_hash(columns[name], quoted)} from {name}"
            rows, checksum = fetch_all(connection, sql)[0]
            content_by_day[name] = Content(int(rows), str(checksum))
    return content_by_day


def _columns(connection: SnowflakeConnection) -> dict[str, list[Column]]:
    rows = fetch_all(
        connection,
        "select table_schema, table_name, column_name, data_type, numeric_precision, numeric_scale "
        "from information_schema.columns where table_schema in ('STAGING', 'INTERMEDIATE', 'MARTS') "
        "order by table_schema, table_name, column_name",
    )
    tables: dict[str, list[Column]] = {}
    for schema, table, name, kind, precision, scale in rows:
        stamp = name.lower() in _STAMPS or (schema == "MARTS" and name.lower() == "created_at")
        if kind not in _TYPES or stamp:
            continue
        column = Column(name.lower(), _TYPES[kind])
        if kind == "NUMBER" and scale:
            column = Column(name.lower(), LogicalType.DECIMAL, precision=int(precision), scale=int(scale))
        tables.setdefault(f"{schema}.{table}", []).append(column)
    return tables
