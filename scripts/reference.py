"""Writes docs/reference/ and the chart's list of secret settings from the code. `--check` says which is out of date instead.

Run by `make reference`; `make check` runs it with `--check`, so a setting or command without its page does not pass.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Literal, get_args, get_origin

import typer
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer.cli import get_docs_for_click

from ecommerce_platform.analytics.declared import TABLES as ANALYTICS_TABLES
from ecommerce_platform.cli import app
from ecommerce_platform.contracts import Column, load_contracts
from ecommerce_platform.reconciliation.record.tables import TABLES as RECONCILIATION_TABLES
from ecommerce_platform.settings import PROJECT_DIR, Settings
from ecommerce_platform.settings.secret import (
    CREDENTIALS_IN_ADDRESS,
    REFERENCES,
    SECRET_KEY_IN_OBJECT,
    secret_variables,
)

PAGES = PROJECT_DIR / "docs" / "reference"
DBT = PROJECT_DIR / "dbt_project"
CHART = PROJECT_DIR / "helm" / "ecommerce-platform"
GENERATED = "<!-- Written by scripts/reference.py from the code: change the code, then `make reference`. -->\n\n"
SHORT_NAMES = ("profile", "landing_uri", "data_dir", "start_date")
LAYERS = {"staging": "STAGING", "intermediate": "INTERMEDIATE", "marts": "MARTS"}


def settings_page() -> str:
    """Every setting: environment variable, type, default, meaning; a table a section."""
    lines = [
        "# Settings\n",
        "Every setting is an environment variable. No file is read: the shell's variables are the truth. An empty variable "
        "counts as not set. Objects and lists are JSON. A secret is never printed.\n",
        _settings_table("ECOMMERCE_", Settings),
        *_sections("", Settings),
    ]
    return GENERATED + "\n".join(lines)


def chart_rules() -> str:
    """What the chart's templates refuse in plain values (templates/_secrets.tpl)."""
    rules = {
        "variables": sorted(secret_variables(Settings)),
        "references": sorted(REFERENCES),
        "credentials": CREDENTIALS_IN_ADDRESS,
        "secretKey": SECRET_KEY_IN_OBJECT,
    }
    return json.dumps(rules, indent=2) + "\n"


def chart_schema() -> str:
    """The schema of the chart's values, with the settings that are refused in it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    settings = schema["properties"]["settings"]
    by_name = {"pattern": "(PASSWORD|SECRET_ACCESS_KEY|PASSPHRASE|TOKEN)$"}
    settings["propertyNames"]["not"] = {"anyOf": [by_name, {"enum": sorted(secret_variables(Settings))}]}
    settings["additionalProperties"]["not"] = {"type": "string", "pattern": CREDENTIALS_IN_ADDRESS}
    return json.dumps(schema, indent=2) + "\n"


def _sections(outer: str, model: type[BaseModel]) -> Iterator[str]:
    """The sections of a section, each followed by its own."""
    for name, field in model.model_fields.items():
        if _is_section(field):
            section: type[BaseModel] = field.annotation  # type: ignore[assignment]
            path = f"{outer}{name}"
            yield f"## {path}\n\n{_paragraph(section.__doc__ or '')}\n"
            yield _settings_table(f"ECOMMERCE_{path.upper().replace('.', '__')}__", section)
            yield from _sections(f"{path}.", section)


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _settings_table(prefix: str, model: type[BaseModel]) -> str:
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if _is_section(field):
            continue
        rows.append(
            f"| `{prefix}{name.upper()}` | {_type_name(field)} | {_default(field)} | {_cell(field.description or '')} |"
        )
    return "\n".join(rows) + "\n"


def _type_name(field: FieldInfo) -> str:
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{member}`" for member in annotation)
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    optional = len(kinds) == 1 and NoneType in get_args(annotation)
    choices = kinds[0] if optional else annotation
    if get_origin(choices) is Literal:
        return ", ".join([*(f"`{choice}`" for choice in get_args(choices)), *["optional"] * optional])
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    # A text that must be an identifier is a text to whoever sets it.
    text = re.sub(r"(?:typing\.)?Annotated\[str, .*?\)\]\)\]", "str", text)
    text = re.sub(r"(?:typing\.)?Optional\[(\w+)\]", r"\1 | None", text)
    text = re.sub(r"(?:\w+\.)+(\w+)", r"\1", text).replace("SecretStr", "secret").replace("NoneType", "None")
    return _cell(text.replace(" | None", ", optional"))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return ""
    if isinstance(value, SecretStr):
        return "(secret)"
    if isinstance(value, Path):
        # The checkout's own folder is another on each machine.
        return f"`{value.relative_to(PROJECT_DIR)}`" if value.is_relative_to(PROJECT_DIR) else f"`{value}`"
    return f"`{_cell(str(value))}`"


def _cell(text: str) -> str:
    return _paragraph(text).replace("|", "\\|")


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def command_line_page() -> str:
    """Every command with its arguments and options, as typer knows them."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=typer.Context(command, info_name="ecommerce-platform"), name="ecommerce-platform"
    )
    text = text.replace("# `ecommerce-platform`", "# Command line\n\n`.venv/bin/ecommerce-platform` in a checkout.", 1)
    return GENERATED + text.replace(str(PROJECT_DIR), ".").strip() + "\n"


def tables_page() -> str:
    """Columns of the source tables, of raw, and of each dbt model."""
    lines = [
        "# Tables and columns\n",
        "What a figure means exactly is in [definitions](../definitions.md). The models' SQL, tests and lineage are in "
        "[dbt's documentation](dbt/index.html), which is part of the site that `make docs` builds.\n",
    ]
    lines += [
        "## Source tables: landing, Iceberg `ecommerce.*`, Snowflake `RAW.*`\n",
        "Iceberg adds `__op`, `__ts_ms`, `__source_ts_ms`, `__source_lsn`, `date`, `__source_file`, `__source_row`; raw adds "
        "`loaded_at` and `batch_id` to these.\n",
    ]
    for name, contract in load_contracts().items():
        lines += [
            f"### {name}\n",
            _paragraph(contract.description) + "\n",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        for column in contract.columns:
            size = f"({column.precision}, {column.scale})" if column.precision else ""
            notes = ", ".join(w for w, on in (("key", column.primary_key), ("required", column.required)) if on)
            about = _cell(column.description) + (f" ({notes})" if notes else "")
            lines.append(f"| `{column.name}` | {column.type.value}{size} | {about} |")
        lines.append("")
    lines.append("## Spark's analytics: Iceberg `analytics.*`, Snowflake `STAGING.SPARK_*`\n")
    for table in ANALYTICS_TABLES.values():
        lines += _declared(table.name, table.description, table.columns)
    texts = _doc_blocks()
    for folder, schema in LAYERS.items():
        lines.append(f"## {schema}\n")
        for model in _models(DBT / "models" / folder):
            alias = re.sub(r"^(stg|mart)_", "", model["name"])
            lines += [
                f"### {schema}.{alias.upper()}\n",
                _paragraph(_resolved(model.get("description", ""), texts)) + "\n",
            ]
            lines += ["| column | type | meaning |", "|---|---|---|"]
            for column in model.get("columns", []):
                about = _cell(_resolved(column.get("description", ""), texts))
                lines.append(f"| `{column['name']}` | {column.get('data_type', '')} | {about} |")
            lines.append("")
    lines.append("## RECONCILIATION\n")
    for stored in RECONCILIATION_TABLES.values():
        lines += _declared(stored.name.upper(), stored.description, stored.columns)
    return GENERATED + "\n".join(lines)


def _declared(name: str, description: str, columns: Iterable[Column]) -> Iterator[str]:
    """A table whose columns the code declares."""
    yield f"### {name}\n"
    yield f"{_paragraph(description)}\n"
    yield from ("| column | type | meaning |", "|---|---|---|")
    yield from (f"| `{column.name}` | {column.snowflake_type} | {_cell(column.description)} |" for column in columns)
    yield ""


def _models(folder: Path) -> Iterator[dict]:
    for path in sorted(folder.glob("*__models.yml")):
        yield from yaml.safe_load(path.read_text()).get("models", [])


def _doc_blocks() -> dict[str, str]:
    text = "\n".join(path.read_text() for path in sorted((DBT / "docs").glob("*.md")))
    return dict(re.findall(r"{%\s*docs (\w+)\s*%}(.*?){%\s*enddocs\s*%}", text, re.DOTALL))


def _resolved(text: str, blocks: dict[str, str]) -> str:
    return re.sub(r"""{{\s*doc\(["'](\w+)["']\)\s*}}""", lambda match: blocks[match[1]].strip(), text)


PAGE_WRITERS = {"settings.md": settings_page, "command-line.md": command_line_page, "tables.md": tables_page}


CHART_WRITERS = {
    CHART / "files" / "secret-settings.json": chart_rules,
    CHART / "values.schema.json": chart_schema,
}


def main(check: bool) -> int:
    """Writes the pages, or with `check` names those that differ from the code; returns the exit code."""
    stale = []
    written = {PAGES / name: write for name, write in PAGE_WRITERS.items()} | CHART_WRITERS
    for path, write in written.items():
        text = write()
        if check:
            if not path.exists() or path.read_text() != text:
                stale.append(str(path.relative_to(PROJECT_DIR)))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        print(f"out of date: {', '.join(stale)}; run make reference", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
