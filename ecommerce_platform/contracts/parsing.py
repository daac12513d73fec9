"""From a document of the standard to a contract: every problem is reported with its line, none ends the reading.

What belongs here: what the platform makes of the standard's fields in one file. What does not: YAML and lines (document.py), and
what contracts must have in common (reader.py).
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

from open_data_contract_standard.model import Relationship as StandardRelationship
from open_data_contract_standard.model import SchemaObject, SchemaProperty

from ecommerce_platform.contracts.document import Document, Place
from ecommerce_platform.contracts.model import (
    CDC_COLUMNS,
    DATE_COLUMN,
    LOAD_COLUMNS,
    PROVENANCE_COLUMNS,
    Column,
    Contract,
    ContractError,
    Relationship,
)
from ecommerce_platform.contracts.names import RESERVED_TABLES, RESERVED_WORDS, is_identifier
from ecommerce_platform.contracts.rules import check_rules, quality_rules
from ecommerce_platform.contracts.types import KEY_TYPES, Classification, EpochUnit, LogicalType

_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+),\s*(\d+)\)")
_WIDEST_DECIMAL = 38
_PLATFORM_COLUMNS = frozenset(column.name for column in (*CDC_COLUMNS, *PROVENANCE_COLUMNS, *LOAD_COLUMNS, DATE_COLUMN))
_SCHEMA: Place = ("schema", 0)


def parse(document: Document) -> Contract | None:
    """The contract of a document, as far as it can be read; what is wrong is in `document.problems`."""
    if document.standard is None:
        return None
    schemas = document.standard.schema_ or []
    if len(schemas) != 1 or not schemas[0].properties:
        what = f"{len(schemas)} schema objects" if len(schemas) != 1 else "a schema object without properties"
        document.report(
            ("schema",), f"found {what}", "expected one schema object with properties: a table has a file of its own"
        )
        return None
    schema, properties = schemas[0], schemas[0].properties or []
    _check_names(document, schema, properties)
    columns = [_column(document, (*_SCHEMA, "properties", at), item) for at, item in enumerate(properties)]
    rules = tuple(rule for at, item in enumerate(properties) for rule in quality_rules(document, at, item))
    _check_key(document, [column for column in columns if column])
    check_rules(document, rules)
    fields: dict[str, Any] = {
        "cluster_by": str(_custom(schema, "snowflakeClusterBy") or DATE_COLUMN.name),
        "ignored": _ignored(document, schema),
        "first_day": _first_day(document, schema),
        "relationships": _relationships(document, schema, properties),
    }
    try:
        return Contract(
            table=str(schema.physicalName or schema.name),
            description=schema.description or "",
            columns=tuple(column for column in columns if column),
            quality=rules,
            version=document.standard.version or "1.0.0",
            source=document.path.name,
            **fields,
        )
    except ContractError:
        if document.is_usable:
            raise
        return None  # what is wrong is reported already


def _check_names(document: Document, schema: SchemaObject, properties: list[SchemaProperty]) -> None:
    table = str(schema.physicalName or schema.name)
    place = (*_SCHEMA, "physicalName" if schema.physicalName else "name")
    expected = "expected lower-case letters, digits, _"
    if not is_identifier(table):
        document.report(place, f"{table!r} is not a usable name", expected)
    elif reason := RESERVED_TABLES.get(table) or next(
        (why for beginning, why in RESERVED_TABLES.items() if beginning.endswith("_") and table.startswith(beginning)),
        None,
    ):
        document.report(place, f"a table cannot be called {table!r}: {reason}", "give it another physicalName")
    elif document.path.name != f"{table}.odcs.yaml":
        document.report(place, f"the table is {table}", f"rename the file to {table}.odcs.yaml")
    counts = Counter(item.name for item in properties)
    for at, item in enumerate(properties):
        here, name = (*_SCHEMA, "properties", at, "name"), str(item.name)
        if not is_identifier(name):
            document.report(here, f"{name!r} is not a usable name", expected)
        elif name in _PLATFORM_COLUMNS:
            document.report(
                here,
                f"column {name} has a name that the platform uses itself",
                "take it out and list it under ignoredColumns, or let the connector rename it",
            )
        elif name in RESERVED_WORDS:
            document.report(
                here,
                f"column {name} is a reserved word of Snowflake",
                "take it out and list it under ignoredColumns, or let the connector rename it",
            )
        elif counts[item.name] > 1:
            document.report(here, f"column {name} is there {counts[item.name]} times", "expected it once")


def _check_key(document: Document, columns: list[Column]) -> None:
    key = [column for column in columns if column.primary_key]
    if not key:
        document.report(
            (*_SCHEMA, "properties"),
            "expected a column with primaryKey: true, found 0",
            "mark the columns of the table's key",
        )
    for column in key:
        if column.type not in KEY_TYPES:
            known = ", ".join(sorted(kind.value for kind in KEY_TYPES))
            document.report(
                document.place_of(column.name, "physicalType"),
                f"column {column.name} belongs to the key and is {column.type.value}",
                f"expected {known}",
            )


def _column(document: Document, place: Place, item: SchemaProperty) -> Column | None:
    physical = (item.physicalType or "").lower()
    decimal = _DECIMAL.fullmatch(physical)
    try:
        kind = LogicalType.DECIMAL if decimal else LogicalType(physical)
    except ValueError:
        kind = None
    if kind is None or (kind is LogicalType.DECIMAL and not decimal):
        known = ", ".join(kind.value for kind in LogicalType if kind is not LogicalType.DECIMAL)
        document.report(
            (*place, "physicalType"),
            f"column {item.name} has physicalType {item.physicalType!r}",
            f"expected one of {known}, decimal(p,s)",
        )
        return None
    precision, scale = (int(decimal[1]), int(decimal[2])) if decimal else (None, None)
    if precision is not None and not (scale or 0) <= precision <= _WIDEST_DECIMAL:
        document.report(
            (*place, "physicalType"),
            f"column {item.name} has physicalType {item.physicalType!r}",
            f"expected at most {_WIDEST_DECIMAL} digits, and no more behind the point than there are",
        )
    relationships = item.relationships or []
    target = relationships[0].to if relationships else None
    return Column(
        name=str(item.name),
        type=kind,
        description=item.description or "",
        required=bool(item.required),
        primary_key=bool(item.primaryKey),
        precision=precision,
        scale=scale,
        classification=_classification(document, place, item),
        references=target if isinstance(target, str) else None,
        epoch_unit=_epoch_unit(document, place, item, kind),
    )


def _classification(document: Document, place: Place, item: SchemaProperty) -> Classification | None:
    """An unknown word is refused: read as nothing, a typing error would leave a person's data in place."""
    word = item.classification
    if word is None:
        return None
    if word not in list(Classification):
        document.report(
            (*place, "classification"),
            f"column {item.name} has classification {word!r}",
            f"expected {', '.join(Classification)}, or none",
        )
        return None
    if item.primaryKey or item.relationships:
        document.report(
            (*place, "classification"),
            f"column {item.name} is a key and has classification {word!r}",
            "keys stay when a person is forgotten, because totals hang on them: take out the classification",
        )
    return Classification(word)


def _epoch_unit(document: Document, place: Place, item: SchemaProperty, kind: LogicalType) -> EpochUnit | None:
    """What the custom property `epochUnit` says of a timestamp or a date; None without it."""
    value = _custom(item, "epochUnit")
    if value is None:
        return None
    known = [unit.value for unit in EpochUnit if kind is LogicalType.DATE or unit is not EpochUnit.DAYS]
    if kind not in (LogicalType.TIMESTAMP, LogicalType.DATE):
        document.report(
            (*place, "customProperties"),
            f"column {item.name} has an epochUnit, {value!r}, and is {kind.value}",
            "expected one only on a timestamp or date: take it out",
        )
    elif value not in known:
        document.report(
            (*place, "customProperties"),
            f"column {item.name} has epochUnit {value!r}",
            f"expected one of {', '.join(known)}, or none",
        )
    else:
        return EpochUnit(value)
    return None


def _relationships(
    document: Document, schema: SchemaObject, properties: list[SchemaProperty]
) -> tuple[Relationship, ...]:
    """Foreign keys: at a column (`to: users.id`), or at the schema, of several columns (`from: […]`, `to: […]`)."""
    names = {item.name for item in properties}
    placed: list[tuple[Place, list[str], StandardRelationship]] = []
    for at, item in enumerate(properties):
        for number, relationship in enumerate(item.relationships or []):
            placed.append(((*_SCHEMA, "properties", at, "relationships", number), [str(item.name)], relationship))
    for number, relationship in enumerate(schema.relationships or []):
        columns = [text.rpartition(".")[2] for text in _texts(relationship.from_)]
        placed.append(((*_SCHEMA, "relationships", number), columns, relationship))
    relationships = []
    for place, columns, relationship in placed:
        targets = [text.rpartition(".") for text in _texts(relationship.to)]
        parents = {table for table, _, _ in targets}
        if len(parents) != 1 or not min(parents) or len(targets) != len(columns) or not set(columns) <= names:
            document.report(
                place,
                f"a relationship goes from {columns} to {relationship.to!r}",
                "expected columns of this table, and as many of one other table as <table>.<column>",
            )
            continue
        relationships.append(Relationship(tuple(columns), min(parents), tuple(column for _, _, column in targets)))
    return tuple(relationships)


def _texts(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _custom(of: SchemaObject | SchemaProperty, name: str) -> Any:
    return next((custom.value for custom in of.customProperties or [] if custom.property == name), None)


def _ignored(document: Document, schema: SchemaObject) -> tuple[str, ...]:
    """What the custom property `ignoredColumns` lists, in lower case; nothing without it."""
    value = _custom(schema, "ignoredColumns")
    if value is None:
        return ()
    place, names = (*_SCHEMA, "customProperties"), {item.name for item in schema.properties or []}
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        document.report(
            place, f"ignoredColumns is {value!r}", "expected a list of column names, each perhaps with * at its end"
        )
        return ()
    for both in [item for item in value if item in names]:
        document.report(
            place, f"ignoredColumns lists {both!r}, which is a column of the contract", "take out one of the two"
        )
    if "*" in value:
        document.report(place, "ignoredColumns lists '*'", "expected a beginning before the *, such as '__*'")
    return tuple(item.lower() for item in value)


def _first_day(document: Document, schema: SchemaObject) -> date | None:
    value = _custom(schema, "firstDay")
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        document.report(
            (*_SCHEMA, "customProperties"),
            f"schema {schema.name} has firstDay {value!r}",
            "expected the landing day from which on the table counts, as YYYY-MM-DD",
        )
        return None
