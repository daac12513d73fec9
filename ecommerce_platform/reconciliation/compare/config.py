"""The file that describes a comparison, read and checked.

What belongs here: its fields, their meaning and the refusal of what cannot be used. What does not: connections.

`where` is SQL, sent to its side as it is written: a comparison's file is as trusted as a query is.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ecommerce_platform.contracts import Column, LogicalType
from ecommerce_platform.reconciliation.model import ReconciliationError


class ColumnType(StrEnum):
    """What a column's values are compared as."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    DATE = "date"
    BOOLEAN = "boolean"


_LOGICAL = {
    ColumnType.INTEGER: LogicalType.BIGINT,
    ColumnType.DECIMAL: LogicalType.DECIMAL,
    ColumnType.TEXT: LogicalType.TEXT,
    ColumnType.TIMESTAMP: LogicalType.TIMESTAMP,
    ColumnType.DATE: LogicalType.DATE,
    ColumnType.BOOLEAN: LogicalType.BOOLEAN,
}
_MEASURABLE = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.TIMESTAMP)
_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComparedColumn(_Strict):
    """A column: its type, and by how much two values may be apart and still agree.

    `tolerance` is absolute (seconds for a timestamp), `relative` a share of Snowflake's value; values agree within either.
    `threshold` is the share by which the sums of the column may be apart.
    """

    type: ColumnType
    tolerance: Decimal = Field(Decimal(0), ge=0)
    relative: Decimal = Field(Decimal(0), ge=0)
    threshold: Decimal = Field(Decimal(0), ge=0)

    @model_validator(mode="after")
    def _measurable(self) -> ComparedColumn:
        if self.tolerance and self.type not in _MEASURABLE:
            raise ValueError(f"a column of type {self.type} has no tolerance; expected integer, decimal or timestamp")
        if (self.relative or self.threshold) and self.type not in (ColumnType.INTEGER, ColumnType.DECIMAL):
            raise ValueError(f"a column of type {self.type} has no relative tolerance; expected integer or decimal")
        return self


class SideConfig(_Strict):
    """One table: its name, what its columns are called there (ours: theirs), and which rows count (SQL)."""

    table: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*){0,2}$")
    columns: dict[str, str] = Field(default_factory=dict)
    where: str | None = None

    @field_validator("where")
    @classmethod
    def _one_condition(cls, where: str | None) -> str | None:
        if where is not None and (not where.strip() or ";" in where):
            raise ValueError("expected one SQL condition, without a semicolon")
        return where


class ClickHouseSide(SideConfig):
    """As a side; `final` reads the current rows of a replacing or collapsing table."""

    final: bool = False


class CompareLimits(_Strict):
    """What a comparison may cost: findings kept, candidate rows fetched and compared, row checksums fetched, seconds."""

    findings: int = Field(100_000, gt=0)
    candidates: int = Field(1_000_000, gt=0)
    rows: int = Field(20_000_000, gt=0)
    seconds: float = Field(1800, gt=0)


class Comparison(_Strict):
    """A ClickHouse table against a Snowflake table."""

    name: str = Field(min_length=1)
    key: tuple[str, ...] = Field(min_length=1)
    columns: dict[str, ComparedColumn] = Field(min_length=1)
    clickhouse: ClickHouseSide
    snowflake: SideConfig
    limits: CompareLimits = CompareLimits()
    results_table: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*){0,2}$")
    labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("columns")
    @classmethod
    def _plain_names(cls, columns: dict[str, ComparedColumn]) -> dict[str, ComparedColumn]:
        import re

        if wrong := [name for name in columns if not re.match(_NAME, name)]:
            raise ValueError(
                f"{wrong[0]!r} is not a column name; expected letters, digits and _ (other names: in the side's columns)"
            )
        return columns

    @model_validator(mode="after")
    def _names_fit(self) -> Comparison:
        if unknown := [name for name in self.key if name not in self.columns]:
            raise ValueError(
                f"key names {unknown[0]!r}, which columns do not; expected one of {', '.join(self.columns)}"
            )
        if len(set(self.key)) != len(self.key):
            raise ValueError("key names a column twice")
        for name in self.key:
            if self.columns[name].tolerance or self.columns[name].relative:
                raise ValueError(
                    f"{name!r} is part of the key and has a tolerance; expected none: keys are equal or they are not"
                )
        for side, config in (("clickhouse", self.clickhouse), ("snowflake", self.snowflake)):
            if unknown := [name for name in config.columns if name not in self.columns]:
                raise ValueError(
                    f"{side}.columns renames {unknown[0]!r}, which columns do not name; expected one of {', '.join(self.columns)}"
                )
        return self

    @property
    def key_columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, _LOGICAL[self.columns[name].type]) for name in self.key)

    @property
    def value_columns(self) -> tuple[Column, ...]:
        """The columns beside the key, in the order of the file."""
        return tuple(Column(name, _LOGICAL[c.type]) for name, c in self.columns.items() if name not in self.key)

    @property
    def numeric_key(self) -> bool:
        """Whether the key is one integer, whose ranges both engines can read by themselves; else keys are hashed."""
        return len(self.key) == 1 and self.columns[self.key[0]].type is ColumnType.INTEGER


def load_comparison(path: Path) -> Comparison:
    """The comparison of a file. Raises ReconciliationError naming the file, the field, what was found and what is expected."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReconciliationError(f"{path}: cannot be read: {error.strerror}; expected a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReconciliationError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ReconciliationError(
            f"{path}: found {type(content).__name__}; expected fields: {', '.join(Comparison.model_fields)}"
        )
    try:
        return Comparison.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors())
        raise ReconciliationError(f"{path}: {problems}") from None


def _problem(item: Any) -> str:
    field = ".".join(str(part) for part in item["loc"]) or "comparison"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{field}: is missing; expected it to be given"
    if item["type"] == "extra_forbidden":
        return f"{field}: no such field; expected one that docs/reconciliation.md names"
    if item["type"] == "value_error":
        return f"{field}: {message}"
    return f"{field}: found {item['input']!r}; {message[:1].lower()}{message[1:]}"
