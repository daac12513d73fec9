"""What the models of the shop need of its four source tables, whatever other tables an installation has.

What belongs here: columns, their kinds, and the foreign keys by which changes reach the marts; finding what is missing. What does
not: contracts in themselves (the contracts room), and what Spark reads (analytics/published.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ecommerce_platform.contracts import Contract, ContractError, LogicalType
from ecommerce_platform.contracts.types import WHOLE_NUMBERS

_NUMBER, _AMOUNT = WHOLE_NUMBERS, frozenset({LogicalType.DECIMAL})
_TEXT, _TIME = frozenset({LogicalType.TEXT}), frozenset({LogicalType.TIMESTAMP})

#: By table and column, the types that the models of staging can read.
COLUMNS: Mapping[str, Mapping[str, frozenset[LogicalType]]] = {
    "users": {
        "id": _NUMBER,
        **dict.fromkeys(("email", "first_name", "last_name"), _TEXT),
        **dict.fromkeys(("created_at", "updated_at"), _TIME),
    },
    "products": {
        **dict.fromkeys(("id", "stock_quantity"), _NUMBER),
        **dict.fromkeys(("name", "description", "category"), _TEXT),
        "price": _AMOUNT,
        **dict.fromkeys(("created_at", "updated_at"), _TIME),
    },
    "orders": {
        **dict.fromkeys(("id", "user_id"), _NUMBER),
        **dict.fromkeys(("status", "shipping_address"), _TEXT),
        "total_amount": _AMOUNT,
        **dict.fromkeys(("created_at", "updated_at"), _TIME),
    },
    "order_items": {
        **dict.fromkeys(("id", "order_id", "product_id", "quantity"), _NUMBER),
        "unit_price": _AMOUNT,
        "created_at": _TIME,
    },
}
#: Without these a change of a row would not reach what is computed of its user, or of its order.
FOREIGN_KEYS = (("orders", "user_id", "users"), ("order_items", "order_id", "orders"))


def require_needed(contracts: Mapping[str, Contract]) -> None:
    """Raises ContractError that names everything the marts need and no contract has."""
    if lacking := list(unmet_needs(contracts)):
        raise ContractError(
            f"the marts cannot be built: {'; '.join(lacking)}. Put it into the contract, or change the models that read it "
            "(dbt_project/models) and what they need (ecommerce_platform/transformation/project/needs.py)"
        )


def unmet_needs(contracts: Mapping[str, Contract]) -> Iterator[str]:
    """One line for each thing that is missing, or of a type that the models cannot read."""
    for table, columns in COLUMNS.items():
        contract = contracts.get(table)
        if contract is None:
            yield f"table {table} has no contract; expected {table}.odcs.yaml with {', '.join(columns)}"
            continue
        if contract.key_names != ("id",):
            yield f"the key of {table} is {', '.join(contract.key_names)}; expected id"
        for name, kinds in columns.items():
            expected = " or ".join(sorted(kind.value for kind in kinds))
            if name not in contract.column_names:
                yield f"{contract.source} has no column {name}; expected one of type {expected}"
            elif (kind := contract.column(name).type) not in kinds:
                yield f"{contract.source}: column {name} is {kind.value}; expected {expected}"
    for table, column, parent in FOREIGN_KEYS:
        contract = contracts.get(table)
        if contract and not any(
            (item.columns, item.parent, item.parent_columns) == ((column,), parent, ("id",))
            for item in contract.relationships
        ):
            yield f"{contract.source}: column {column} has no relationship; expected one to {parent}.id"
