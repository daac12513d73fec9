"""What dbt knows of the contracts, rendered: sources, the macro `source_contracts`, and a model `base_<table>` for each table.

What belongs here: text of those files. What does not: what people write (models' properties, statements), and where a project
with the rendered files lies (project/manifest.py).

`python -m ecommerce_platform.transformation.sources` writes them into the checkout, for dbt by hand. Git ignores them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import yaml

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts, personal_names
from ecommerce_platform.daily_metrics import reconciled_metrics
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform.transformation.files import write_whole
from ecommerce_platform.transformation.metric_tests import METRIC_TEST_FILE, render_metric_test

SOURCES_FILE = Path("models") / "staging" / "_staging__sources.yml"
CONTRACTS_FILE = Path("macros") / "change_tracking" / "source_contracts.sql"
#: Models of latest states, for the tables of which the project has no model of its own.
BASE_FOLDER = Path("models") / "staging" / "base" / "from_contracts"
BASE_PROPERTIES = BASE_FOLDER / "_from_contracts__models.yml"
#: What dbt reads of a project, besides the files in its own folder.
PARSED_FOLDERS = ("models", "macros", "tests", "docs")
_RENDERED = (
    "Rendered from the data contracts by\n"
    "{indent}`python -m ecommerce_platform.transformation.sources`; changes made here are overwritten."
)
_HEADER = f"# {_RENDERED.format(indent='# ')}\n"
_LEDGER_COLUMNS = (
    Column("table_name", LogicalType.TEXT, "Source table."),
    Column("date", LogicalType.DATE, "Landing day."),
    Column("batch_id", LogicalType.TEXT, "Load that holds the day; made from the published content."),
)
#: Another one where models are built in a database of their own (by_hand.py).
_DATABASE = "{{ env_var('ECOMMERCE_DBT_SOURCE_DATABASE', target.database) }}"
#: The lateness of operations/freshness.py, in dbt's words: a load of today or, before the hour, of yesterday. dbt compares ages,
#: so that the age is that of the midnight before the last load.
_FRESHNESS = {
    "loaded_at_field": "date_trunc('day', loaded_at)",
    "freshness": {
        "error_after": {
            "count": "{{ env_var('ECOMMERCE_DBT_LATE_AFTER_HOURS', '30') | as_number }}",
            "period": "hour",
        }
    },
}


def render_sources(contracts: Mapping[str, Contract]) -> str:
    """The whole file: RAW tables, what later loads replaced there, and the load ledger; then Spark's copies."""
    raw = [_table(name, contracts[name].description, contracts[name].raw_columns) for name in contracts]
    superseded = [
        _table(
            f"superseded_{name}",
            f"Rows of {name} that a later load of their day replaced, until a dbt run has applied that load.",
            contracts[name].raw_columns,
        )
        for name in contracts
    ]
    ledger = _table("load_ledger", "Which load holds which day of which table; the gate of each run.", _LEDGER_COLUMNS)
    ledger["config"] = _FRESHNESS
    spark = [
        _table(f"spark_{name}", f"Iceberg analytics.{name}, by Spark. {table.description}", table.loaded_columns)
        for name, table in ANALYTICS_TABLES.items()
    ]
    document = {
        "version": 2,
        "sources": [
            {
                "name": "raw",
                "database": _DATABASE,
                "schema": "RAW",
                "description": "Change events of the source tables, as published in Iceberg and loaded by day.",
                "tables": [*raw, *superseded, ledger],
            },
            {
                "name": "spark",
                "database": _DATABASE,
                "schema": "STAGING",
                "description": "Spark's analytics, loaded from Iceberg to be held against the models.",
                "tables": spark,
            },
        ],
    }
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def render_contracts(contracts: Mapping[str, Contract]) -> str:
    """The macros that models read: each table's columns, text columns, key, foreign keys and first landing day, and the names of
    personal columns."""
    tables = "".join(
        f"        '{name}': {{\n"
        f"            'columns': {list(contract.column_names)},\n"
        f"            'texts': {list(contract.text_columns)},\n"
        f"            'key': {_key(contract)},\n"
        f"            'foreign_keys': {_foreign_keys(contract, contracts)},\n"
        f"            'first_day': {_literal(contract.first_day)},\n"
        "        },\n"
        for name, contract in contracts.items()
    )
    header = f"{{#-\n    {_RENDERED.format(indent='    ')}\n-#}}\n"
    macros = {
        "source_contracts": f"{{\n{tables}    }}",
        "personal_names": repr(sorted(personal_names(contracts.values()))),
    }
    return header + "\n\n".join(
        f"{{% macro {name}() -%}}\n    {{{{ return({value}) }}}}\n{{%- endmacro %}}\n" for name, value in macros.items()
    )


def _key(contract: Contract) -> dict[str, str]:
    """The key's columns, each with how it becomes a text: as a number, a date, or as it is."""
    kinds = {LogicalType.BIGINT: "number", LogicalType.INT: "number", LogicalType.DATE: "date"}
    return {column.name: kinds.get(column.type, "text") for column in contract.key_columns}


def _foreign_keys(contract: Contract, contracts: Mapping[str, Contract]) -> list[dict[str, object]]:
    """Those to the whole key of a table: `parent`, and the columns in the order of the parent's key."""
    sources: list[dict[str, object]] = []
    for item in contract.relationships:
        parent = contracts.get(item.parent)
        if parent is None or set(item.parent_columns) != set(parent.key_names):
            continue
        columns = dict(zip(item.parent_columns, item.columns, strict=True))
        foreign_key: dict[str, object] = {
            "parent": item.parent,
            "columns": [columns[name] for name in parent.key_names],
        }
        if foreign_key not in sources:
            sources.append(foreign_key)
    return sources


def render_base_model(contract: Contract) -> str:
    """The model of the latest state of each key."""
    options = [
        "materialized='incremental'",
        f"unique_key={_unique_key(contract)}",
        f"meta={{'source_table': '{contract.table}'}}",
    ]
    if any(column.name == "created_at" and column.type is LogicalType.TIMESTAMP for column in contract.columns):
        options.append("cluster_by=['to_date(created_at)']")
    lines = ",\n    ".join(options)
    return (
        f"{{{{ config(\n    {lines}\n) }}}}\n\n"
        f"-- {_RENDERED.format(indent='-- ')}\n"
        "-- depends_on: {{ ref('base_changed_keys') }}\n"
        f"-- Latest state of each key of {contract.table}, without deleted keys.\n"
        f"{{{{ latest_state('{contract.table}') }}}}\n"
    )


def _unique_key(contract: Contract) -> str:
    return repr(contract.key_names[0] if len(contract.key_names) == 1 else list(contract.key_names))


def render_base_properties(contracts: Iterable[Contract]) -> str:
    """The properties of those models, with the contracts' descriptions."""
    models = [
        {
            "name": f"base_{contract.table}",
            "description": f"Internal: the latest state of each key of {contract.table}, in event order, unchanged placeholders "
            f"resolved, deleted keys left out. {contract.description}".strip(),
            "columns": [_model_column(column) for column in contract.columns],
        }
        for contract in contracts
    ]
    return _HEADER + yaml.safe_dump({"version": 2, "models": models}, sort_keys=False, allow_unicode=True, width=110)


def _model_column(column: Column) -> dict[str, object]:
    personal = {"config": {"meta": {"personal": True}}} if column.personal else {}
    return {"name": column.name, "description": column.description, **personal}


def _literal(day: date | None) -> str:
    return "none" if day is None else repr(day.isoformat())


def _table(name: str, description: str, columns: Iterable[Column]) -> dict[str, object]:
    return {"name": name, "description": description, "columns": [_column(column) for column in columns]}


def _column(column: Column) -> dict[str, str]:
    # In lower case: dbt and sqlfluff read these, Snowflake folds either way.
    return {"name": column.name, "description": column.description, "data_type": column.snowflake_type.lower()}


def rendered_files(project_dir: Path, contracts: Mapping[str, Contract]) -> dict[Path, str]:
    """Text by path in the project. A table of which the project has a model `base_<table>` of its own gets none."""
    own = {path.stem for path in own_files(project_dir) if path.suffix == ".sql"}
    # Without the model of changed keys the project knows no latest states.
    tables = contracts if "base_changed_keys" in own else ()
    based = [contracts[table] for table in tables if f"base_{table}" not in own]
    return {
        SOURCES_FILE: render_sources(contracts),
        CONTRACTS_FILE: render_contracts(contracts),
        BASE_PROPERTIES: render_base_properties(based),
        **({METRIC_TEST_FILE: metric_test} if (metric_test := _metric_test(own, contracts)) else {}),
        **{BASE_FOLDER / f"base_{contract.table}.sql": render_base_model(contract) for contract in based},
    }


def _metric_test(own: set[str], contracts: Mapping[str, Contract]) -> str | None:
    """The test of the daily mart; None for a project without that mart, or without orders."""
    if "mart_daily_business_metrics" not in own or "orders" not in contracts:
        return None
    return render_metric_test(reconciled_metrics(), contracts["orders"])


def own_files(project_dir: Path) -> list[Path]:
    """The files that people wrote: those of a parse, without the rendered ones; relative to the project's folder, in order."""
    files = [path for path in project_dir.glob("*.yml") if path.is_file()]
    for folder in PARSED_FOLDERS:
        files += [path for path in (project_dir / folder).rglob("*") if path.is_file()]
    names = (path.relative_to(project_dir) for path in files)
    return sorted(
        name
        for name in names
        if name not in (SOURCES_FILE, CONTRACTS_FILE, METRIC_TEST_FILE) and BASE_FOLDER not in name.parents
    )


def refresh_sources(project_dir: Path, contracts: Mapping[str, Contract] | None = None) -> bool:
    """Brings the rendered files in `project_dir` up to date with the contracts; returns whether any was not."""
    return write_rendered(project_dir, rendered_files(project_dir, contracts or load_contracts()))


def write_rendered(project_dir: Path, rendered: Mapping[Path, str]) -> bool:
    """Makes the rendered files of `project_dir` these; returns whether any was not."""
    stale = [
        name
        for name, text in rendered.items()
        if not (project_dir / name).exists() or (project_dir / name).read_text(encoding="utf-8") != text
    ]
    for name in stale:
        (project_dir / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(project_dir / name, rendered[name])
    gone = [path for path in (project_dir / BASE_FOLDER).glob("*.sql") if path.relative_to(project_dir) not in rendered]
    for path in gone:
        path.unlink(missing_ok=True)
    return bool(stale or gone)


def main() -> None:
    refresh_sources(PROJECT_DIR / "dbt_project")


if __name__ == "__main__":
    main()
