"""Do the layers agree on a metric? Pure: a Measurement in, verdicts out.

What belongs here: metric values from cells, differences, tolerances, statuses. What does not: reading either layer.

What always alarms, and what never does:
- a batch value of 0 with another speed value is a full discrepancy (1 = 100 %): a share of nothing would hide it;
- two zeros agree, or days without orders would alarm forever;
- the shares are compared without division, so that no rounding decides about a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

from ecommerce_platform.daily_metrics import (
    Customers,
    DailyMetric,
    Measure,
    Orders,
    Ratio,
    all_measures,
    reconciled_metrics,
)
from ecommerce_platform.metrics import TIERS
from ecommerce_platform.reconciliation.model import (
    ALL_TIERS,
    UNKNOWN_TIER,
    Cell,
    Measurement,
    MetricValues,
    MetricVerdict,
    Status,
)

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


@dataclass
class _Sums:
    """What the cells of one date and tier add up to, measure by measure."""

    figures: list[int | Decimal]
    customers: list[int]

    def add(self, cell: Cell) -> None:
        self.figures = list(map(_sum, self.figures, cell.figures))
        if cell.user_id is not None:
            for place, figure in enumerate(cell.figures):
                self.customers[place] += figure != 0


def metric_values(
    cells: Iterable[Cell], tier_of: Mapping[int, str], metrics: Sequence[DailyMetric] | None = None
) -> dict[tuple[date, str], MetricValues]:
    """Values of `metrics` (None: of all that are reconciled) by (date, tier), `all` among the tiers, from per-user cells.

    Cells of one date and user add up, and a user without any orders left is not active. Orders without a user count as
    orders and revenue, as `count(distinct user_id)` would have it.
    """
    metrics = reconciled_metrics() if metrics is None else metrics
    measures = all_measures(metrics)
    sums: dict[tuple[date, str], _Sums] = {}
    for cell in cells if isinstance(cells, NetCells) else NetCells(cells):
        if cell.orders == 0:
            continue
        tier = UNKNOWN_TIER if cell.user_id is None else tier_of.get(cell.user_id, UNKNOWN_TIER)
        for key in ((cell.date, ALL_TIERS), (cell.date, tier)):
            if key not in sums:
                sums[key] = _Sums([Decimal(0)] * len(measures), [0] * len(measures))
            sums[key].add(cell)
    return {
        key: {metric.name: _value(metric, measures, sums_of_key) for metric in metrics}
        for key, sums_of_key in sums.items()
    }


def _value(metric: DailyMetric, measures: Sequence[Measure], sums: _Sums) -> Decimal:
    """A metric from the sums of its measures."""
    match metric.definition:
        case Customers(statuses):
            return Decimal(sums.customers[measures.index(Orders(statuses))])
        case Ratio(dividend, divisor, places):
            total, count = (sums.figures[measures.index(measure)] for measure in (dividend, divisor))
            return ratio(Decimal(total), int(count), places)
        case measure:
            return Decimal(sums.figures[measures.index(measure)])


def _added(first: Cell, second: Cell) -> Cell:
    return Cell(first.date, first.user_id, tuple(map(_sum, first.figures, second.figures)))


def _sum(first: int | Decimal, second: int | Decimal) -> int | Decimal:
    """Exact, also of totals with more digits than Python's own context has."""
    if isinstance(first, int):
        return first + second
    return _EXACT.add(first, second)


def ratio(total: Decimal, count: int, places: int) -> Decimal:
    """`total / count` with `places` digits after the point, rounded half away from zero; 0 when the count is 0."""
    if not count:
        return Decimal(0)
    return _EXACT.divide(total, Decimal(count)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


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


def judge(
    measurement: Measurement, tolerances: Tolerances, metrics: Sequence[DailyMetric] | None = None
) -> tuple[MetricVerdict, ...]:
    """A verdict for each date, tier and metric. The tier `unknown` shows only where one of the layers has such orders."""
    nothing: MetricValues = {}
    names = [metric.name for metric in (reconciled_metrics() if metrics is None else metrics)]
    verdicts = []
    for day in measurement.dates:
        unknown = any((day, UNKNOWN_TIER) in side for side in (measurement.speed, measurement.batch))
        for tier in (ALL_TIERS, *TIERS, *((UNKNOWN_TIER,) if unknown else ())):
            speed = measurement.speed.get((day, tier), nothing)
            batch = measurement.batch.get((day, tier), nothing)
            for name in names:
                values = (speed.get(name, Decimal(0)), batch.get(name, Decimal(0)))
                verdicts.append(_verdict(day, name, tier, *values, tolerances))
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
