"""Both layers, opened for the same columns of orders and the same metrics.

What belongs here: which columns are read and compared, and the error when a layer lacks one. What does not: questions to a layer
(batch.py, speed.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ecommerce_platform.contracts import Column, Contract, LogicalType, load_contracts
from ecommerce_platform.daily_metrics import (
    DailyMetric,
    all_measures,
    measures_of,
    reconciled_metrics,
    totalled_columns,
)
from ecommerce_platform.landing.forgotten import Forgotten
from ecommerce_platform.reconciliation.layers.batch import ANALYTICS, ORDERS, BatchOrders
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable
from ecommerce_platform.reconciliation.layers.speed import SpeedOrders
from ecommerce_platform.reconciliation.model import ReconciliationError
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import ReconciliationSettings

STAGED = ORDERS.upper()
_NUMBERS = (LogicalType.BIGINT, LogicalType.INT, LogicalType.DECIMAL)
#: Without these columns there are no metrics.
REQUIRED_COLUMNS = ("user_id", "status", "total_amount", "created_at")


@dataclass(frozen=True)
class Layers:
    """Both layers, asked for the same columns of orders; `forgotten` are people whose erased values are not differences."""

    speed: SpeedOrders
    batch: BatchOrders
    forgotten: Forgotten = field(default_factory=Forgotten)


def open_layers(
    table: SpeedTable, store: Store, settings: ReconciliationSettings, forgotten: Forgotten | None = None
) -> Layers:
    """Both layers, for the columns of the orders contract that both have.

    Raises ReconciliationError when a column is missing without which nothing can be compared.
    """
    contract = load_contracts()["orders"]
    batch = BatchOrders(store.connection, contract, (), ())
    sides = {f"ClickHouse table {table.table}": table.column_names(), STAGED: batch.column_names()}
    for name, layer in sides.items():
        if missing := [column for column in (contract.key, *REQUIRED_COLUMNS) if column not in layer]:
            raise ReconciliationError(
                f"{name} has no column {', '.join(missing)}; expected those of the orders contract. "
                "Other names in ClickHouse: ECOMMERCE_CLICKHOUSE__COLUMNS"
            )
    common = set.intersection(*sides.values())
    both = [column for column in contract.columns if column.name in common and not column.primary_key]
    compared = tuple(column for column in both if column.name not in settings.ignore_columns)
    metrics = reconciled_metrics()
    totalled = totalled_columns(all_measures(metrics))
    needed = {*REQUIRED_COLUMNS, *totalled}
    # A column that is not compared may be of any type in ClickHouse, but for those that the metrics need.
    columns = tuple(
        column for column in both
        if column in compared or column.name in needed or table.comparable(column) is not None
    )  # fmt: skip
    beside = {name: places for name, places in totalled.items() if name not in contract.column_names}
    measured = tuple(
        Column(name, LogicalType.DECIMAL, precision=38, scale=places) if places else Column(name, LogicalType.BIGINT)
        for name, places in beside.items()
    )
    if measured:
        sides |= {ANALYTICS.upper(): batch.column_names(ANALYTICS)}
    _require_totalled(metrics, contract, sides, measured)
    return Layers(
        SpeedOrders(table, contract, columns, compared, measured, metrics),
        BatchOrders(store.connection, contract, columns, compared, measured, metrics),
        forgotten or Forgotten(),
    )


def _require_totalled(
    metrics: Sequence[DailyMetric], contract: Contract, sides: Mapping[str, set[str]], measured: Sequence[Column]
) -> None:
    """Raises ReconciliationError naming the first metric whose column a layer does not have, or which is not a number."""
    beside = {column.name for column in measured}
    for metric in metrics:
        for name in totalled_columns(measures_of(metric.definition)):
            if name not in beside and contract.column(name).type not in _NUMBERS:
                raise ReconciliationError(
                    f"metric {metric.name}: column {name} of orders is {contract.column(name).type}; expected a number. "
                    "Correct the metric in ecommerce_platform/daily_metrics.py"
                )
            for side, columns in sides.items():
                # The contract's columns are in STAGING.ORDERS_ENHANCED, what is beside them in INTERMEDIATE.INT_ORDER_ANALYTICS.
                if side == (STAGED if name in beside else ANALYTICS.upper()):
                    continue
                if name not in columns:
                    raise ReconciliationError(
                        f"metric {metric.name}: {side} has no column {name}, which the metric adds up; expected it in both "
                        "layers. Correct the metric in ecommerce_platform/daily_metrics.py, or name ClickHouse's column in "
                        "ECOMMERCE_CLICKHOUSE__COLUMNS"
                    )
