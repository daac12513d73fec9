"""Whether a file's columns can be those of its table, by its footer. Pure.

What belongs here: missing, misspelled, doubled and unfit columns, and those whose values Spark cannot read. What does not:
columns that the contract does not name (evolution.py), and values (values.py).
"""

from __future__ import annotations

from collections.abc import Collection

from ecommerce_platform.contracts import Contract
from ecommerce_platform.contracts.model import DATE_COLUMN
from ecommerce_platform.lakehouse.decode.physical import Footer
from ecommerce_platform.lakehouse.decode.plans import event_columns
from ecommerce_platform.lakehouse.decode.values import can_become, expected_forms


def unknown_columns(contract: Contract, footer: Footer) -> tuple[str, ...]:
    """Columns of the file that the contract neither knows nor ignores; the folder's date wins over a column of that name."""
    known = {column.name for column in event_columns(contract)} | {DATE_COLUMN.name}
    return tuple(
        sorted(
            column.name for column in footer.columns if column.name not in known and not contract.ignores(column.name)
        )
    )


def storage_problem(contract: Contract, footer: Footer, unknown: str) -> str | None:
    """Why the values of a column that is read cannot be read by Spark (its codec or encoding), or None."""
    known = {column.name for column in event_columns(contract)}
    for name, obstacle in footer.obstacles.items():
        if name in known or unknown == "add":
            return f"column {name} {obstacle}"
    return None


def schema_problem(contract: Contract, footer: Footer, optional: Collection[str] = ()) -> str | None:
    """Why no row of this file can be decoded, or None. Names column, found and expected. A required column that is `optional` may
    be absent.
    """
    lower = [column.name.lower() for column in footer.columns]
    by_name = {column.name: column for column in footer.columns}
    for column in event_columns(contract):
        if lower.count(column.name) > 1:
            return f"column {column.name} is present more than once, perhaps in different cases; expected it once"
        physical = by_name.get(column.name)
        if physical is None and column.name in lower:
            spelled = next(item.name for item in footer.columns if item.name.lower() == column.name)
            return f"column {spelled} is spelled in another case; expected {column.name} {column.spark_type}"
        if physical is None:
            if column.required and column.name not in optional:
                in_file = ", ".join(by_name) or "none"
                return f"column {column.name} is missing; found {in_file}; expected {column.name} {column.spark_type}"
        elif not can_become(column, physical):
            return (
                f"column {column.name} is {physical}; expected {column.spark_type}, as one of: {expected_forms(column)}"
            )
    return None
