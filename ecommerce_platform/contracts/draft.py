"""A contract as a file of the standard, and what a draft of one guessed.

What belongs here: the text of the file. What does not: where the columns come from (from_postgres.py,
lakehouse/arrived/drafts.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import yaml

from ecommerce_platform.contracts.model import Column, Contract
from ecommerce_platform.contracts.types import Classification, LogicalType

_LOGICAL = {
    LogicalType.BIGINT: "integer",
    LogicalType.INT: "integer",
    LogicalType.DECIMAL: "number",
    LogicalType.TEXT: "string",
    LogicalType.UUID: "string",
    LogicalType.TIMESTAMP: "timestamp",
    LogicalType.DATE: "date",
    LogicalType.BOOLEAN: "boolean",
}
#: Parts of names by which a column is taken for personal.
_PERSONAL = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "full_name",
    "surname",
    "address",
    "birth",
    "iban",
    "passport",
)


@dataclass(frozen=True)
class Draft:
    """A contract that was made from what is there, and one line for each thing that somebody should look at."""

    contract: Contract
    notes: tuple[str, ...]


def guessed_classification(name: str, kind: LogicalType) -> Classification | None:
    """Personal, where the name of a text says so."""
    is_personal = kind is LogicalType.TEXT and any(part in name for part in _PERSONAL)
    return Classification.PERSONAL if is_personal else None


def classified(table: str, column: Column, bound: Collection[str], notes: list[str]) -> Column:
    """The column with its guessed classification, which becomes a note; columns that are `bound` (of keys) keep none."""
    guess = guessed_classification(column.name, column.type)
    if guess is None or column.name in bound:
        return column
    notes.append(f"{table}.{column.name} is classified as personal, by its name")
    return replace(column, classification=guess)


def render(contract: Contract) -> str:
    """The file of a contract; reading it gives the contract back."""
    custom: list[dict[str, Any]] = [{"property": "snowflakeClusterBy", "value": contract.cluster_by}]
    if contract.first_day:
        custom.append({"property": "firstDay", "value": contract.first_day.isoformat()})
    if contract.ignored:
        custom.append({"property": "ignoredColumns", "value": list(contract.ignored)})
    schema: dict[str, Any] = {
        "name": contract.table,
        "physicalName": contract.table,
        "physicalType": "table",
        "logicalType": "object",
        "description": contract.description,
        "customProperties": custom,
    }
    composite = [item for item in contract.relationships if len(item.columns) > 1]
    if composite:
        schema["relationships"] = [
            {
                "type": "foreignKey",
                "from": [f"{contract.table}.{name}" for name in item.columns],
                "to": [f"{item.parent}.{name}" for name in item.parent_columns],
            }
            for item in composite
        ]
    schema["properties"] = [_property(contract, column) for column in contract.columns]
    document = {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"ecommerce-{contract.table.replace('_', '-')}",
        "name": contract.table,
        "version": contract.version,
        "status": "active",
        "domain": "ecommerce",
        "dataProduct": "batch-analytics-layer",
        "description": {
            "purpose": contract.description,
            "usage": "Change events of this table arrive as Parquet, one folder a day.",
        },
        "schema": [schema],
    }
    about = f"# Data contract of the source table {contract.table} (Open Data Contract Standard). "
    head = f"{about}The only place that lists its columns.\n"
    return head + yaml.dump(document, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=110)


def _property(contract: Contract, column: Column) -> dict[str, Any]:
    physical = f"decimal{column.decimal_arguments}" if column.type is LogicalType.DECIMAL else column.type.value
    fields: dict[str, Any] = {"name": column.name, "logicalType": _LOGICAL[column.type], "physicalType": physical}
    if column.description:
        fields["description"] = column.description
    if column.primary_key:
        fields |= {"primaryKey": True, "primaryKeyPosition": contract.key_names.index(column.name) + 1}
    if column.required:
        fields["required"] = True
    if column.classification:
        fields["classification"] = column.classification.value
    if column.epoch_unit:
        fields["customProperties"] = [{"property": "epochUnit", "value": column.epoch_unit.value}]
    targets = [
        f"{item.parent}.{item.parent_columns[0]}" for item in contract.relationships if item.columns == (column.name,)
    ]
    if targets:
        fields["relationships"] = [{"type": "foreignKey", "to": target} for target in targets]
    return fields


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as in the files that people write."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)
