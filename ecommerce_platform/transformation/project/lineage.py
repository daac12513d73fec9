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
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify

from ecommerce_platform.transformation.files import write_whole

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


def keep_lineage(folder: Path, digest: str, lineage: Lineage) -> None:
    write_whole(folder / "lineage.json", json.dumps({"digest": digest, "models": lineage}))


class LineageReader:
    """Reads one model after the other, parents before children, as dbt finishes them.

    A model whose SQL the reader does not understand has an empty lineage: it is a help to people, no gate.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._schema = MappingSchema(dialect=DIALECT)
        self._relations: dict[str, str] = {}
        self.lineage: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for node in manifest["sources"].values():
            _add(self._schema, node["relation_name"], list(node["columns"]))
            self._relations[_normal(node["relation_name"])] = node["unique_id"]

    def read(self, node: Mapping[str, Any], compiled: Path) -> dict[str, list[tuple[str, str]]]:
        """Lineage of a model whose SQL lies under `compiled`, where its parents were read before."""
        path = compiled / node["package_name"] / node["original_file_path"]
        self._relations[_normal(node["relation_name"])] = node["unique_id"]
        self.lineage[node["unique_id"]] = {}
        try:
            tree = parse_one(path.read_text(encoding="utf-8"), dialect=DIALECT)
            query: Any = qualify(tree, schema=self._schema, dialect=DIALECT)
            _add(self._schema, node["relation_name"], [name.lower() for name in query.named_selects])
            # All columns at once: they share what is found out about the query.
            roots = lineage(None, query, schema=self._schema, dialect=DIALECT, trim_selects=False)
            self.lineage[node["unique_id"]] = {name.lower(): self._parents(root) for name, root in roots.items()}
        except (SqlglotError, OSError):
            pass
        return self.lineage[node["unique_id"]]

    def _parents(self, root: Node) -> list[tuple[str, str]]:
        parents = set()
        for step in root.walk():
            table = step.expression.find(exp.Table)
            unique_id = self._relations.get(_name(table)) if table is not None and not step.downstream else None
            if unique_id:
                parents.add((unique_id, step.name.rsplit(".", 1)[-1].strip('"').lower()))
        return sorted(parents)


def _add(schema: MappingSchema, relation: str, columns: list[str]) -> None:
    schema.add_table(_table(relation), {name.upper(): "text" for name in columns}, dialect=DIALECT)


def _table(relation: str) -> exp.Table:
    return exp.to_table(_normal(relation), dialect=DIALECT)


def _normal(relation: str) -> str:
    return _name(exp.to_table(relation, dialect=DIALECT))


def _name(table: exp.Table) -> str:
    """A table's full name without quotes and alias, in upper case."""
    return ".".join(part.name.upper() for part in table.parts)
