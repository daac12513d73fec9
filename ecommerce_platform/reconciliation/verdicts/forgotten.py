"""Orders of forgotten people, compared: what was erased in one layer is not a difference between the two.

What belongs here: whose orders they are, and which values count. What does not: erasing (the room erasure), and reasons
(explain.py). The speed layer may be one that the platform only reads, and its owner erases it later or never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ecommerce_platform.contracts import Contract
from ecommerce_platform.landing.forgotten import Forgotten
from ecommerce_platform.landing.persons import as_key, erased_value
from ecommerce_platform.reconciliation.model import OrderVersion, Value


def as_erased(
    speed: OrderVersion | None,
    batch: OrderVersion | None,
    people: Forgotten,
    contracts: Mapping[str, Contract],
    table: str,
) -> OrderVersion | None:
    """The speed layer's version; where the batch layer has erased a personal value of a forgotten person, without it, too."""
    if not people or speed is None or batch is None or speed.values is None or batch.values is None:
        return speed
    references = [name for name in people.columns(contracts, table) if name in batch.values]
    keys: dict[str, set[int]] = {contracts[table].key: {speed.order_id}}
    keys |= {name: {key} for name in references if (key := as_key(batch.values[name])) is not None}
    rows = people.rows(contracts, table, keys)
    is_hers = bool(rows.keys) or any((rows.references or {}).values())
    if not is_hers and not (rows.orphans and len(keys) == 1):
        return speed
    erased: dict[str, Value] = {
        column.name: batch.values[column.name]
        for column in contracts[table].personal_columns
        if column.name in batch.values and batch.values[column.name] == erased_value(column)
    }
    return replace(
        speed,
        values=_over(speed.values, erased),
        rivals=tuple(_over(rival, erased) for rival in speed.rivals),
    )


def _over(values: Mapping[str, Value], erased: Mapping[str, Value]) -> Mapping[str, Value]:
    return {name: erased.get(name, value) for name, value in values.items()}
