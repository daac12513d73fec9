"""dbt's source properties (`_staging__sources.yml`), rendered from the contracts.

What belongs here: text of that one file. What does not: the models' properties, which people write.

`python -m ecommerce_platform.transformation.sources` writes the file; a test holds it equal to what is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from ecommerce_platform.contracts import SOURCE_TABLES, Column, Contract, LogicalType, load_contracts
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform.transformation.files import write_whole

SOURCES_FILE = Path("models") / "staging" / "_staging__sources.yml"
SPARK_TABLES = ("customer_metrics", "product_analytics", "daily_business_metrics")
_HEADER = (
    "# Rendered from the contracts in ecommerce_platform/contracts by\n"
    "# `python -m ecommerce_platform.transformation.sources`; changes made here are overwritten.\n"
)
_LEDGER_COLUMNS = (
    Column("table_name", LogicalType.TEXT, "Source table."),
    Column("date", LogicalType.DATE, "Landing day."),
    Column("batch_id", LogicalType.TEXT, "Load that holds the day; made from the published content."),
)


def render_sources(contracts: Mapping[str, Contract]) -> str:
    """The whole file: RAW tables, what later loads replaced there, and the load ledger; then Spark's copies."""
    raw = [_raw_table(contracts[name]) for name in SOURCE_TABLES]
    superseded = [
        _table(
            f"superseded_{name}",
            f"Rows of {name} that a later load of their day replaced, until a dbt run has applied that load.",
            contracts[name].raw_columns,
        )
        for name in SOURCE_TABLES
    ]
    ledger = _table("load_ledger", "Which load holds which day of which table; the gate of each run.", _LEDGER_COLUMNS)
    spark = [{"name": f"spark_{name}", "description": f"Iceberg analytics.{name}, by Spark."} for name in SPARK_TABLES]
    document = {
        "version": 2,
        "sources": [
            {
                "name": "raw",
                "schema": "RAW",
                "description": "Change events of the source tables, as published in Iceberg and loaded by day.",
                "tables": [*raw, *superseded, ledger],
            },
            {
                "name": "spark",
                "schema": "STAGING",
                "description": "Spark's analytics, loaded from Iceberg to be held against the models.",
                "tables": spark,
            },
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _raw_table(contract: Contract) -> dict[str, object]:
    described = _table(contract.table, contract.description, contract.raw_columns)
    if contract.first_day:
        described["config"] = {"meta": {"first_day": contract.first_day.isoformat()}}
    return described


def _table(name: str, description: str, columns: Iterable[Column]) -> dict[str, object]:
    return {"name": name, "description": description, "columns": [_column(column) for column in columns]}


def _column(column: Column) -> dict[str, str]:
    # In lower case: dbt and sqlfluff read these, Snowflake folds either way.
    return {"name": column.name, "description": column.description, "data_type": column.snowflake_type.lower()}


def refresh_sources(project_dir: Path) -> bool:
    """Writes the file anew when the contracts have changed since; tells whether it did. A column is thus added in one file."""
    path = project_dir / SOURCES_FILE
    text = render_sources(load_contracts())
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return True


def main() -> None:
    refresh_sources(PROJECT_DIR / "dbt_project")


if __name__ == "__main__":
    main()
