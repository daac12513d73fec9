"""What a contract can say of a column: its type, its unit, and whether it is personal.

What belongs here: words of the contracts. What does not: the contract itself, and types in each engine (model.py).
"""

from __future__ import annotations

from enum import StrEnum


class LogicalType(StrEnum):
    """The types that a column of a source table can have."""

    BIGINT = "bigint"
    INT = "int"
    DECIMAL = "decimal"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    DATE = "date"
    BOOLEAN = "boolean"
    UUID = "uuid"


#: The types that a key can have. Times, decimals and booleans have several spellings of one value, or too few values.
KEY_TYPES = frozenset({LogicalType.BIGINT, LogicalType.INT, LogicalType.TEXT, LogicalType.UUID, LogicalType.DATE})
#: What every engine keeps as a text.
TEXTS = frozenset({LogicalType.TEXT, LogicalType.UUID})
WHOLE_NUMBERS = frozenset({LogicalType.BIGINT, LogicalType.INT})


#: What is shown in place of a personal value.
HIDDEN = "(personal)"


class Classification(StrEnum):
    """What a contract can say of a column's values besides their type.

    A personal one says something of the person whom the row is about: it is hidden in messages, and erased on request.
    Keys and amounts are not classified: they stay, so that totals of the past stay as published.
    """

    PERSONAL = "personal"


class EpochUnit(StrEnum):
    """What a whole number counts in a column of times, or of dates: from 1970-01-01T00:00:00Z. From coarse to fine."""

    DAYS = "days"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"

    @property
    def in_nanoseconds(self) -> int:
        """How many nanoseconds one of it has."""
        return {"days": 86_400 * 10**9, "seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3}.get(self, 1)
