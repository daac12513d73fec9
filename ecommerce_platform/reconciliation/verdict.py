"""Do the layers agree on a metric? Pure: a Measurement in, verdicts out.

What belongs here: metric values from cells, differences, tolerances, statuses. What does not: reading either layer.

What always alarms, and what never does:
- a batch value of 0 with another speed value is a full discrepancy (1 = 100 %): a share of nothing would hide it;
- two zeros agree, or days without orders would alarm for ever;
- the shares are compared without division, so that no rounding decides about a verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

from ecommerce_platform.metrics import RECONCILED_METRICS, TIERS
from ecommerce_platform.reconciliation.model import (
    ALL_TIERS,
    UNKNOWN_TIER,
    Cell,
    Measurement,
    MetricValues,
    MetricVerdict,
    Status,
)

_CENT = Decimal("0.01")
_SHARE = Decimal("0.000001")
#: Wide enough for sums of NUMBER(38): the default of 28 digits would round a large total.
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Tolerances:
    """Shares above which a metric warns and fails; `by_metric` holds (tolerance, failure) where one differs."""

    tolerance: Decimal = Decimal("0.05")
    failure: Decimal = Decimal("0.10")
    by_metric: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def of(self, metric: str) -> tuple[Decimal, Decimal]:
        return self.by_metric.get(metric, (self.tolerance, self.failure))


class NetCells:
    """Cells added up by date and user: however many orders come and go, there is one cell for each user of a date."""

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._net: dict[tuple[date, int | None], Cell] = {}
        self.add(cells)

    def add(self, cells: Iterable[Cell]) -> None:
        """Adds each cell to that of its date and user; a negative one takes orders away."""
        net = self._net
        for cell in cells:
            place = (cell.date, cell.user_id)
            net[place] = _added(net[place], cell) if place in net else cell

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._net.values())

    def __len__(self) -> int:
        return len(self._net)


def metric_values(cells: Iterable[Cell], tier_of: Mapping[int, str]) -> dict[tuple[date, str], MetricValues]:
    """Metrics by (date, tier), `all` among the tiers, from per-user cells.

    Cells of one date and user add up, and a user without any orders left is not active. Orders without a user count as
    orders and revenue, as `count(distinct user_id)` would have it.
    """
    net = cells if isinstance(cells, NetCells) else NetCells(cells)
    users: dict[tuple[date, str], set[int]] = defaultdict(set)
    orders: dict[tuple[date, str], int] = defaultdict(int)
    revenue_orders: dict[tuple[date, str], int] = defaultdict(int)
    revenue: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
    for cell in net:
        if cell.orders == 0:
            continue
        tier = UNKNOWN_TIER if cell.user_id is None else tier_of.get(cell.user_id, UNKNOWN_TIER)
        for key in ((cell.date, ALL_TIERS), (cell.date, tier)):
            if cell.user_id is not None:
                users[key].add(cell.user_id)
            orders[key] += cell.orders
            revenue_orders[key] += cell.revenue_orders
            revenue[key] = _EXACT.add(revenue[key], cell.revenue)
    return {
        key: MetricValues(
            active_customers=Decimal(len(users[key])),
            total_orders=Decimal(count),
            total_revenue=revenue[key],
            avg_order_value=average(revenue[key], revenue_orders[key]),
        )
        for key, count in orders.items()
    }


def _added(first: Cell, second: Cell) -> Cell:
    return Cell(
        first.date,
        first.user_id,
        first.orders + second.orders,
        first.revenue_orders + second.revenue_orders,
        _EXACT.add(first.revenue, second.revenue),
    )


def average(total: Decimal, count: int) -> Decimal:
    """`total / count` in cents, rounded half away from zero; 0 when the count is 0."""
    return _EXACT.divide(total, Decimal(count)).quantize(_CENT, ROUND_HALF_UP, _EXACT) if count else Decimal(0)


def percentage_difference(speed: Decimal, batch: Decimal) -> Decimal:
    """|speed − batch| as a share of |batch|, to six places; 1 when only the batch value is 0, 0 when both are."""
    if batch == 0:
        return Decimal(0) if speed == 0 else Decimal(1)
    share = _EXACT.divide(abs(_EXACT.subtract(speed, batch)), abs(batch))
    return share.quantize(_SHARE, ROUND_HALF_UP, _EXACT)


def status_of(speed: Decimal, batch: Decimal, tolerance: Decimal, failure: Decimal) -> Status:
    """ERROR above `failure`, WARN above `tolerance`; a value at the limit is within it."""
    if speed == batch:
        return Status.OK
    if batch == 0:
        difference, whole = Decimal(1), Decimal(1)
    else:
        difference, whole = abs(_EXACT.subtract(speed, batch)), abs(batch)
    if difference > _EXACT.multiply(failure, whole):
        return Status.ERROR
    return Status.WARN if difference > _EXACT.multiply(tolerance, whole) else Status.OK


def judge(measurement: Measurement, tolerances: Tolerances) -> tuple[MetricVerdict, ...]:
    """A verdict for each date, tier and metric. The tier `unknown` shows only where one of the layers has such orders."""
    nothing = MetricValues()
    verdicts = []
    for day in measurement.dates:
        unknown = any((day, UNKNOWN_TIER) in side for side in (measurement.speed, measurement.batch))
        for tier in (ALL_TIERS, *TIERS, *((UNKNOWN_TIER,) if unknown else ())):
            speed = measurement.speed.get((day, tier), nothing)
            batch = measurement.batch.get((day, tier), nothing)
            for metric in RECONCILED_METRICS:
                verdicts.append(_verdict(day, metric, tier, getattr(speed, metric), getattr(batch, metric), tolerances))
    return tuple(verdicts)


def _verdict(
    day: date, metric: str, tier: str, speed: Decimal, batch: Decimal, tolerances: Tolerances
) -> MetricVerdict:
    tolerance, failure = tolerances.of(metric)
    return MetricVerdict(
        date=day,
        metric=metric,
        user_tier=tier,
        speed_value=speed,
        batch_value=batch,
        difference=abs(_EXACT.subtract(speed, batch)),
        percentage_difference=percentage_difference(speed, batch),
        tolerance=tolerance,
        failure=failure,
        status=status_of(speed, batch, tolerance, failure),
    )
