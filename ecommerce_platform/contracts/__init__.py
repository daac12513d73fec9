"""Data contracts of the source tables and what follows from them: Iceberg schema, Snowflake DDL, dbt sources.

What belongs here: reading the contracts and rendering column types for each engine. What does not: reading data (landing,
lakehouse), business definitions (metrics.py).
"""

from ecommerce_platform.contracts.model import (
    CDC_COLUMNS,
    PROVENANCE_COLUMNS,
    Column,
    Contract,
    ContractError,
    QualityRule,
    Relationship,
    personal_names,
)
from ecommerce_platform.contracts.reader import load_contract, load_contracts, source_tables, tables_of_day
from ecommerce_platform.contracts.types import HIDDEN, Classification, EpochUnit, LogicalType

__all__ = [
    "CDC_COLUMNS",
    "HIDDEN",
    "PROVENANCE_COLUMNS",
    "Classification",
    "Column",
    "Contract",
    "ContractError",
    "EpochUnit",
    "LogicalType",
    "QualityRule",
    "Relationship",
    "load_contract",
    "load_contracts",
    "personal_names",
    "source_tables",
    "tables_of_day",
]
