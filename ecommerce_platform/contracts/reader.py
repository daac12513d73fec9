"""Reads the contracts: Open Data Contract Standard YAML through the standard's own models.

What belongs here: YAML to `Contract`, with errors that name file and column. What does not: rendering.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, SchemaProperty
from pydantic import ValidationError

from ecommerce_platform.contracts.model import (
    SOURCE_TABLES,
    Classification,
    Column,
    Contract,
    ContractError,
    EpochUnit,
    LogicalType,
    QualityRule,
)

CONTRACTS_DIR = Path(__file__).parent
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


def load_contracts(directory: Path | None = None) -> Mapping[str, Contract]:
    """All contracts of `directory`, keyed and ordered as `SOURCE_TABLES`; by default of the folder that ECOMMERCE_CONTRACTS_DIR
    names, else the package's own.

    Raises ContractError when one is missing or cannot be used.
    """
    return _load_all(directory or Path(os.environ.get("ECOMMERCE_CONTRACTS_DIR") or CONTRACTS_DIR))


@cache
def _load_all(directory: Path) -> Mapping[str, Contract]:
    return {table: load_contract(directory / f"{table}.odcs.yaml") for table in SOURCE_TABLES}


def tables_of_day(day: date, contracts: Mapping[str, Contract] | None = None) -> tuple[str, ...]:
    """The source tables that a landing day needs before anything may join them: all but those that joined later."""
    contracts = contracts or load_contracts()
    return tuple(table for table, contract in contracts.items() if contract.counts_on(day))


def load_contract(path: Path) -> Contract:
    """One contract. Raises ContractError naming the file and what is wrong in it."""
    if not path.exists():
        raise ContractError(f"{path.name}: no such contract in {path.parent}")
    try:
        standard = OpenDataContractStandard.from_string(path.read_text(encoding="utf-8"))
    except (ValidationError, yaml.YAMLError) as error:
        raise ContractError(f"{path.name} is no Open Data Contract Standard document: {error}") from error
    schemas = standard.schema_ or []
    if len(schemas) != 1 or not schemas[0].properties:
        raise ContractError(f"{path.name}: expected one schema object with properties, found {len(schemas)}")
    schema = schemas[0]
    properties = schema.properties or []
    return Contract(
        table=str(schema.physicalName or schema.name),
        description=schema.description or "",
        columns=tuple(_column(path.name, item) for item in properties),
        cluster_by=_cluster_by(path.name, schema),
        ignored=_ignored(path.name, schema),
        quality=tuple(rule for item in properties for rule in _quality(path.name, item)),
        version=standard.version or "1.0.0",
        source=path.name,
        first_day=_first_day(path.name, schema),
    )


def _column(file: str, item: SchemaProperty) -> Column:
    physical = (item.physicalType or "").lower()
    decimal = _DECIMAL.fullmatch(physical)
    try:
        kind = LogicalType.DECIMAL if decimal else LogicalType(physical)
    except ValueError as error:
        known = ", ".join(kind.value for kind in LogicalType)
        raise ContractError(
            f"{file}: column {item.name} has physicalType {item.physicalType!r}; expected one of {known}, decimal(p,s)"
        ) from error
    relationships = item.relationships or []
    target = relationships[0].to if relationships else None
    return Column(
        name=str(item.name),
        type=kind,
        description=item.description or "",
        required=bool(item.required),
        primary_key=bool(item.primaryKey),
        precision=int(decimal[1]) if decimal else None,
        scale=int(decimal[2]) if decimal else None,
        classification=_classification(file, item),
        references=target if isinstance(target, str) else None,
        epoch_unit=_epoch_unit(file, item, kind),
    )


def _classification(file: str, item: SchemaProperty) -> Classification | None:
    """A word that nobody knows is refused: read as nothing, a slip of the pen would leave a person's data where they lie."""
    if item.classification is None:
        return None
    known = ", ".join(Classification)
    if item.classification not in list(Classification):
        raise ContractError(
            f"{file}: column {item.name} has classification {item.classification!r}; expected {known}, or none"
        )
    if item.primaryKey or item.relationships:
        raise ContractError(
            f"{file}: column {item.name} is a key and has classification {item.classification!r}; keys stay when a person is "
            "forgotten, because totals hang on them: take out the classification"
        )
    return Classification(item.classification)


def _epoch_unit(file: str, item: SchemaProperty, kind: LogicalType) -> EpochUnit | None:
    """What the custom property `epochUnit` says of a timestamp or a date; None without it."""
    value = next((custom.value for custom in item.customProperties or [] if custom.property == "epochUnit"), None)
    if value is None:
        return None
    known = [unit.value for unit in EpochUnit if kind is LogicalType.DATE or unit is not EpochUnit.DAYS]
    if kind not in (LogicalType.TIMESTAMP, LogicalType.DATE):
        raise ContractError(
            f"{file}: column {item.name} has an epochUnit, {value!r}, and is {kind.value}; expected one only on a timestamp "
            "or date: take it out"
        )
    if value not in known:
        raise ContractError(
            f"{file}: column {item.name} has epochUnit {value!r}; expected one of {', '.join(known)}, or none"
        )
    return EpochUnit(value)


def _quality(file: str, item: SchemaProperty) -> list[QualityRule]:
    rules = []
    for quality in item.quality or []:
        if not quality.name or not isinstance(quality.implementation, str):
            raise ContractError(f"{file}: a quality rule of column {item.name} lacks a name or an implementation")
        rules.append(QualityRule(quality.name, quality.implementation, str(item.name), quality.description or ""))
    return rules


def _ignored(file: str, schema: SchemaObject) -> tuple[str, ...]:
    """What the custom property `ignoredColumns` lists, in lower case; nothing without it."""
    names = {item.name for item in schema.properties or []}
    for custom in schema.customProperties or []:
        if custom.property != "ignoredColumns":
            continue
        if not isinstance(custom.value, list) or not all(isinstance(item, str) and item for item in custom.value):
            raise ContractError(
                f"{file}: ignoredColumns is {custom.value!r}; expected a list of column names, each perhaps with * at its end"
            )
        both = [item for item in custom.value if item in names]
        if both:
            raise ContractError(
                f"{file}: ignoredColumns lists {both[0]!r}, which is a column of the contract: take out one"
            )
        if "*" in custom.value:
            raise ContractError(f"{file}: ignoredColumns lists '*'; expected a beginning before the *, such as '__*'")
        return tuple(item.lower() for item in custom.value)
    return ()


def _cluster_by(file: str, schema: SchemaObject) -> str:
    for custom in schema.customProperties or []:
        if custom.property == "snowflakeClusterBy":
            return str(custom.value)
    raise ContractError(f"{file}: schema {schema.name} lacks the custom property snowflakeClusterBy")


def _first_day(file: str, schema: SchemaObject) -> date | None:
    for custom in schema.customProperties or []:
        if custom.property == "firstDay":
            try:
                return date.fromisoformat(str(custom.value))
            except ValueError as error:
                raise ContractError(
                    f"{file}: schema {schema.name} has firstDay {custom.value!r}; expected the landing day from which on the "
                    "table counts, as YYYY-MM-DD"
                ) from error
    return None
