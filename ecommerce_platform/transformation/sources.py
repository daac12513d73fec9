"""What dbt knows of the contracts, rendered: the sources' properties (`_staging__sources.yml`) and the macro `source_contracts`.

What belongs here: text of those two files. What does not: the models' properties, which people write.

`python -m ecommerce_platform.transformation.sources` writes the files; a test holds them equal to what is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import yaml

from ecommerce_platform.contracts import SOURCE_TABLES, Column, Contract, LogicalType, load_contracts
from ecommerce_platform.daily_metrics import reconciled_metrics
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform.transformation.files import write_whole
from ecommerce_platform.transformation.metric_tests import METRIC_TEST_FILE, render_metric_test

SOURCES_FILE = Path("models") / "staging" / "_staging__sources.yml"
CONTRACTS_FILE = Path("macros") / "change_tracking" / "source_contracts.sql"
SPARK_TABLES = ("customer_metrics", "product_analytics", "daily_business_metrics")
_RENDERED = (
    "Rendered from the contracts in ecommerce_platform/contracts by\n"
    "{indent}`python -m ecommerce_platform.transformation.sources`; changes made here are overwritten."
)
_HEADER = f"# {_RENDERED.format(indent='# ')}\n"
_LEDGER_COLUMNS = (
    Column("table_name", LogicalType.TEXT, "Source table."),
    Column("date", LogicalType.DATE, "Landing day."),
    Column("batch_id", LogicalType.TEXT, "Load that holds the day; made from the published content."),
)


def render_sources(contracts: Mapping[str, Contract]) -> str:
    """The whole file: RAW tables, what later loads replaced there, and the load ledger; then Spark's copies."""
    raw = [_table(name, contracts[name].description, contracts[name].raw_columns) for name in SOURCE_TABLES]
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


def render_contracts(contracts: Mapping[str, Contract]) -> str:
    """The macro that models read: each table's columns, text columns, and the landing day from which on it counts."""
    tables = "".join(
        f"        '{name}': {{\n"
        f"            'columns': {list(contracts[name].column_names)},\n"
        f"            'texts': {list(contracts[name].text_columns)},\n"
        f"            'first_day': {_literal(contracts[name].first_day)},\n"
        "        },\n"
        for name in SOURCE_TABLES
    )
    header = f"{{#-\n    {_RENDERED.format(indent='    ')}\n-#}}\n"
    return f"{header}{{% macro source_contracts() -%}}\n    {{{{ return({{\n{tables}    }}) }}}}\n{{%- endmacro %}}\n"


def _literal(day: date | None) -> str:
    return "none" if day is None else repr(day.isoformat())


def _table(name: str, description: str, columns: Iterable[Column]) -> dict[str, object]:
    return {"name": name, "description": description, "columns": [_column(column) for column in columns]}


def _column(column: Column) -> dict[str, str]:
    # In lower case: dbt and sqlfluff read these, Snowflake folds either way.
    return {"name": column.name, "description": column.description, "data_type": column.snowflake_type.lower()}


def refresh_sources(project_dir: Path) -> bool:
    """Writes the files again when the contracts have changed since; returns whether it wrote any."""
    contracts = load_contracts()
    rendered = {
        SOURCES_FILE: render_sources(contracts),
        CONTRACTS_FILE: render_contracts(contracts),
        METRIC_TEST_FILE: render_metric_test(reconciled_metrics(), contracts["orders"]),
    }
    stale = [
        name
        for name, text in rendered.items()
        if not (project_dir / name).exists() or (project_dir / name).read_text(encoding="utf-8") != text
    ]
    for name in stale:
        (project_dir / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(project_dir / name, rendered[name])
    return bool(stale)


def main() -> None:
    refresh_sources(PROJECT_DIR / "dbt_project")


if __name__ == "__main__":
    main()
