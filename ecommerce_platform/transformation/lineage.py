"""Column lineage of the models, read from their compiled SQL.

What belongs here: which columns of its parents a column is made of. What does not: how a run comes by compiled SQL.

Reading it takes seconds and changes only with the models, so it is kept beside the manifest under the definition's digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify

DIALECT = "snowflake"

#: Model's unique id → column → parents as (unique id, column).
Lineage = Mapping[str, Mapping[str, list[tuple[str, str]]]]


def kept_lineage(folder: Path, digest: str) -> Lineage | None:
    """What an earlier run read, if it still fits."""
    path = folder / "lineage.json"
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["models"] if kept.get("digest") == digest else None


def keep_lineage(folder: Path, digest: str, found: Lineage) -> None:
    path = folder / "lineage.json"
    path.write_text(json.dumps({"digest": digest, "models": found}), encoding="utf-8")


def read_lineage(manifest: Mapping[str, Any], compiled: Path) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Lineage of every model of which `compiled` holds the SQL, parents before children.

    A model whose SQL the reader does not understand has an empty lineage: it is a help to people, no gate.
    """
    schema = MappingSchema(dialect=DIALECT)
    relations: dict[str, str] = {}
    for unique_id, source in manifest["sources"].items():
        _add(schema, source["relation_name"], list(source["columns"]))
        relations[_normal(source["relation_name"])] = unique_id
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for node in _in_order(manifest):
        path = compiled / node["package_name"] / node["original_file_path"]
        relations[_normal(node["relation_name"])] = node["unique_id"]
        if not path.exists():
            continue
        try:
            query: Any = qualify(
                parse_one(path.read_text(encoding="utf-8"), dialect=DIALECT), schema=schema, dialect=DIALECT
            )
            columns = [name.lower() for name in query.named_selects]
            _add(schema, node["relation_name"], columns)
            sql = query.sql(dialect=DIALECT)
            found[node["unique_id"]] = {name: _parents(name, sql, schema, relations) for name in columns}
        except SqlglotError:
            found[node["unique_id"]] = {}
    return found


def _parents(column: str, sql: str, schema: MappingSchema, relations: Mapping[str, str]) -> list[tuple[str, str]]:
    parents = set()
    for step in lineage(column.upper(), sql, schema=schema, dialect=DIALECT).walk():
        table = step.expression.find(exp.Table)
        if step.downstream or table is None:
            continue
        unique_id = relations.get(_normal(table.sql(dialect=DIALECT)))
        if unique_id:
            parents.add((unique_id, step.name.rsplit(".", 1)[-1].strip('"').lower()))
    return sorted(parents)


def _in_order(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    models = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    }
    ordered: list[Mapping[str, Any]] = []
    placed: set[str] = set()

    def place(unique_id: str) -> None:
        if unique_id in placed or unique_id not in models:
            return
        placed.add(unique_id)
        for parent in models[unique_id]["depends_on"]["nodes"]:
            place(parent)
        ordered.append(models[unique_id])

    for unique_id in sorted(models):
        place(unique_id)
    return ordered


def _add(schema: MappingSchema, relation: str, columns: list[str]) -> None:
    schema.add_table(_table(relation), {name.upper(): "text" for name in columns}, dialect=DIALECT)


def _table(relation: str) -> exp.Table:
    return exp.to_table(_normal(relation), dialect=DIALECT)


def _normal(relation: str) -> str:
    """A relation's name without quotes and alias, in upper case."""
    table = exp.to_table(relation, dialect=DIALECT)
    return ".".join(part.name.upper() for part in table.parts)
