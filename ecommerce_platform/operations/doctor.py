"""Checks every outside system of the current profile and says what to mend. What does not belong here: mending it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from ecommerce_platform.contracts import source_tables, tables_of_day
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings


@dataclass(frozen=True)
class Finding:
    """The state of one outside system: usable or not, with what was seen or what to do."""

    system: str
    ok: bool
    message: str


def examine(settings: Settings) -> list[Finding]:
    """One finding a system, in the order in which data meets them. Never raises: what went wrong is the finding."""
    probes: dict[str, Callable[[], str]] = {
        "settings": partial(_secrets, settings),
        "java": _java,
        "jars": partial(_jars, settings),
        "landing": partial(_landing, settings),
        "catalog": partial(_catalog, Lake.of(settings)),
        "snowflake": partial(_snowflake, settings),
        "clickhouse": partial(_clickhouse, settings),
        "dbt": partial(_dbt, settings),
    }
    return [_finding(system, probe) for system, probe in probes.items()]


def _finding(system: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(system, True, probe())
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever it meets, of any kind
        text = str(error).strip().splitlines()
        return Finding(system, False, f"{type(error).__name__}: {text[0] if text else 'no message'}")


def _secrets(settings: Settings) -> str:
    from ecommerce_platform.settings import SettingsError
    from ecommerce_platform.settings.secret import problems_of_secrets

    if problems := list(problems_of_secrets(settings)):
        raise SettingsError("; ".join(problems))
    return f"profile {settings.profile}, no secret in the open"


def _java() -> str:
    from ecommerce_platform.spark.java import require_java

    return f"Java {require_java().version}"


def _jars(settings: Settings) -> str:
    from ecommerce_platform.spark.jars import default_jars_dir, ensure_jars
    from ecommerce_platform.spark.options import SparkApplication

    jars = ensure_jars(default_jars_dir(settings.spark), SparkApplication.of(settings).jar_groups)
    return f"{len(jars)} jars, SHA-256 as pinned"


def _landing(settings: Settings) -> str:
    from ecommerce_platform.execution.partitions import last_partition
    from ecommerce_platform.landing.files import LandingZone, list_days
    from ecommerce_platform.landing.unread import unread

    zone, first, last = LandingZone.of(settings), settings.start_date, last_partition(settings.start_date)
    days = {table: list_days(zone, table) for table in source_tables()}
    missing = [table for table in tables_of_day(datetime.now(UTC).date()) if not days[table]]
    if missing:
        raise FileNotFoundError(
            f"{settings.landing_uri} has no days for {', '.join(missing)}: expected <table>/date=YYYY-MM-DD/*.parquet; "
            "set ECOMMERCE_LANDING_URI, or write a sample with `ecommerce-platform sample`"
        )
    everything = sorted(day for days_of_table in days.values() for day in days_of_table)
    not_read = [line for table in source_tables() for line in unread(zone, table, first, last)]
    return "; ".join([f"{settings.landing_uri}: {everything[0]} to {everything[-1]}", *not_read])


def _catalog(lake: Lake) -> str:
    from ecommerce_platform.lakehouse.days.ledger import read_ledger
    from ecommerce_platform.lakehouse.days.withheld import withheld_columns, withheld_lines
    from ecommerce_platform.lakehouse.maintenance.soundness import refuse_unsound_catalog

    refuse_unsound_catalog(lake)
    namespaces = [".".join(namespace) for namespace in lake.catalog.list_namespaces()]
    summary = f"{lake.section.catalog_type} catalog {lake.section.catalog_name}: {', '.join(namespaces) or 'empty'}"
    ledgers = read_ledger(lake)
    withheld = [line for table in ledgers for line in withheld_lines(table, withheld_columns(ledgers[table]))]
    return "; ".join([summary, *withheld])


def _snowflake(settings: Settings) -> str:
    from ecommerce_platform.iceberg.installation import read_marker
    from ecommerce_platform.iceberg.lake import Lake
    from ecommerce_platform.warehouse.schema.owner import refuse_foreign_lake
    from ecommerce_platform.warehouse.schema.protection import state_in_words
    from ecommerce_platform.warehouse.sql.connection import connect
    from ecommerce_platform.warehouse.sql.query import run_sql

    with connect(settings) as connection:
        version = run_sql(connection, "select current_version()").rows[0][0]
        protected = state_in_words(connection)
        refuse_foreign_lake(connection, read_marker(Lake.of(settings)), settings.snowflake.database)
    where = "embedded stand-in" if settings.snowflake.is_embedded else settings.snowflake.account
    return f"{where}, version {version}, {protected}"


def _clickhouse(settings: Settings) -> str:
    from ecommerce_platform.reconciliation.layers.clickhouse import connect

    client = connect(settings)
    where = "embedded stand-in" if settings.clickhouse.is_embedded else settings.clickhouse.host
    return f"{where}, version {client.server_version}"


def _dbt(settings: Settings) -> str:
    from ecommerce_platform.contracts import load_contracts
    from ecommerce_platform.transformation.project.lineage import kept_lineage
    from ecommerce_platform.transformation.project.manifest import DbtProject, definition_digest, load_manifest
    from ecommerce_platform.transformation.project.personal import undeclared

    project = DbtProject.of(settings)
    manifest = load_manifest(project)
    lineage = kept_lineage(project.target, definition_digest(project)) or {}
    if unsaid := list(undeclared(manifest, load_contracts(), lineage)):
        raise ValueError("; ".join(unsaid))
    return f"{len(manifest['nodes'])} nodes in the manifest"
