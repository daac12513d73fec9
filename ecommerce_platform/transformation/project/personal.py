"""Which columns of the models hold personal data, and which of their tables analysts read.

What belongs here: the rule, and holding the models' properties against the lineage of their columns. What does not: policies and
grants as SQL (warehouse/schema/protection.py), and their place in a build (dbt's macros/protection.sql, which follows
the same rule).

A column is personal when its properties say `config: {meta: {personal: true}}`, or when it has the name of a column that a
contract classifies as personal and its properties do not say `personal: false`: what nobody has thought of is hidden, not shown.
`personal: mixed` is of a column that holds values of several columns, a row each: it is hidden, and what is made of it is
personal only where its other parents are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecommerce_platform.contracts import Contract, personal_names
from ecommerce_platform.transformation.project.lineage import Lineage

#: In a column's `config.meta`: true, false or "mixed".
PERSONAL_COLUMN, MIXED = "personal", "mixed"
#: Tag of the internal models, which analysts do not read.
_INTERNAL = "base"


@dataclass(frozen=True)
class ModelTable:
    """A model's table as protection sees it: `declared` is what its properties say of columns, by name in lower case."""

    unique_id: str
    name: str
    schema: str
    table: str
    internal: bool
    declared: Mapping[str, bool | str]

    def is_personal(self, column: str, names: frozenset[str]) -> bool:
        """Whether a column is hidden from analysts; `names` are those of personal columns of the contracts."""
        return bool(self.declared.get(column.lower(), column.lower() in names))


def model_tables(manifest: Mapping[str, Any]) -> tuple[ModelTable, ...]:
    """The tables that dbt makes, by schema and name. Ephemeral models have none."""
    tables = [
        ModelTable(
            unique_id=node["unique_id"],
            name=node["name"],
            schema=node["schema"].upper(),
            table=node["alias"].upper(),
            internal=_INTERNAL in node["tags"],
            declared=_declared(node),
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    ]
    return tuple(sorted(tables, key=lambda table: (table.schema, table.table)))


def _declared(node: Mapping[str, Any]) -> dict[str, bool | str]:
    declared: dict[str, bool | str] = {}
    for name, column in node["columns"].items():
        meta = (column.get("config") or {}).get("meta") or column.get("meta") or {}
        if PERSONAL_COLUMN in meta:
            declared[name.lower()] = meta[PERSONAL_COLUMN]
    return declared


def undeclared(manifest: Mapping[str, Any], contracts: Mapping[str, Contract], lineage: Lineage) -> Iterator[str]:
    """Columns that are made of personal ones and of which nobody has said whether they are personal, a line each.

    `lineage` lists parents before children, as LineageReader reads them.
    """
    names, tables = personal_names(contracts.values()), {table.unique_id: table for table in model_tables(manifest)}
    personal = _personal_sources(manifest, contracts)
    for unique_id, columns in lineage.items():
        table = tables.get(unique_id)
        if table is None:
            continue
        for column, parents in columns.items():
            origin = next((parent for parent in parents if tuple(parent) in personal), None)
            if table.declared.get(column) == MIXED:
                continue
            if table.is_personal(column, names):
                personal.add((unique_id, column))
            elif origin is not None and column not in table.declared:
                personal.add((unique_id, column))
                yield (
                    f"column {column} of {table.name} is made of the personal column {origin[1]} of "
                    f"{origin[0].rpartition('.')[2]}, and its properties say nothing of it; expected "
                    "`config: {meta: {personal: true}}`, or false where no person can be known by it"
                )


def _personal_sources(manifest: Mapping[str, Any], contracts: Mapping[str, Contract]) -> set[tuple[str, str]]:
    """Personal columns of RAW, as (unique id of the source, column): of the table itself and of what later loads replaced."""
    return {
        (unique_id, column.name)
        for unique_id, source in manifest["sources"].items()
        if (contract := contracts.get(source["name"].lower().removeprefix("superseded_"))) is not None
        for column in contract.personal_columns
    }
