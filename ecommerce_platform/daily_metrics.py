"""The metrics of a business date that reconciliation compares: each is declared once, here.

From a declaration follow both layers' SQL, the verdicts, the checks, the reports and their stored rows, the label `metric` of
the alert, and dbt's test that holds the mart against its orders. docs/reconciliation.md says how to add one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ecommerce_platform.metrics import KNOWN_STATUSES, REVENUE_STATUSES

#: The stored figures have two digits after the point: RECONCILIATION.DAILY_BUSINESS_METRICS.
MOST_PLACES = 2
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
Statuses = tuple[str, ...] | None


class MetricError(ValueError):
    """A metric cannot be used as it is declared; the message names it and says what to change."""


@dataclass(frozen=True)
class Orders:
    """How many orders have one of `statuses`; None: all orders, whatever their status."""

    statuses: Statuses = None

    @property
    def places(self) -> int:
        return 0


@dataclass(frozen=True)
class Total:
    """Sum of a number of the orders that have one of `statuses` (None: of all orders). A null adds nothing.

    `column` is a column of the orders contract, or one that INTERMEDIATE.INT_ORDER_ANALYTICS and the speed layer's table have.
    `places` are the digits after the point.
    """

    column: str
    statuses: Statuses = None
    places: int = 2


@dataclass(frozen=True)
class Customers:
    """How many distinct users have an order with one of `statuses` (None: any order)."""

    statuses: Statuses = None

    @property
    def places(self) -> int:
        return 0


@dataclass(frozen=True)
class Ratio:
    """`dividend` / `divisor`, rounded half away from zero to `places` digits after the point; 0 when the divisor is 0."""

    dividend: Orders | Total
    divisor: Orders
    places: int = 2


#: What can be added up order by order, and taken away again: all else is computed from these.
Measure = Orders | Total
Definition = Orders | Total | Customers | Ratio


def measures_of(definition: Definition) -> Iterator[Measure]:
    """What a definition is computed from."""
    match definition:
        case Customers():
            yield Orders(definition.statuses)
        case Ratio():
            yield definition.dividend
            yield definition.divisor
        case _:
            yield definition


@dataclass(frozen=True)
class DailyMetric:
    """A metric: its name (of the check, the stored rows and the alert's label), what it is, and what may differ.

    `mart_column` is the column of MARTS.DAILY_BUSINESS_METRICS that publishes it; without one the batch layer's figure comes
    from its orders. `tolerance` and `failure` are shares (0.05 is 5 %) above which it warns and fails; None: the settings'.
    Raises MetricError when the declaration contradicts itself.
    """

    name: str
    definition: Definition
    mart_column: str | None = None
    title: str = ""
    tolerance: Decimal | None = None
    failure: Decimal | None = None

    def __post_init__(self) -> None:
        for kind, name in (("name", self.name), ("mart_column", self.mart_column or "none")):
            if not _NAME.fullmatch(name):
                raise MetricError(
                    f"metric {self.name!r}: {kind} is {name!r}; expected lower-case letters, digits and _"
                )
        if not 0 <= self.places <= MOST_PLACES:
            raise MetricError(
                f"metric {self.name}: {self.places} digits after the point; expected 0 to {MOST_PLACES}, which the stored "
                "figures have"
            )
        for measure in measures_of(self.definition):
            self._check(measure)
            if measure.places > self.places:
                raise MetricError(
                    f"metric {self.name}: {measure.places} digits after the point are divided into {self.places}; expected "
                    "at least as many in the ratio"
                )
        if self.tolerance is not None and self.failure is not None and self.tolerance > self.failure:
            raise MetricError(
                f"metric {self.name}: tolerance {self.tolerance} is above failure {self.failure}; expected at most that"
            )

    def _check(self, measure: Measure) -> None:
        if isinstance(measure, Total) and not _NAME.fullmatch(measure.column):
            raise MetricError(
                f"metric {self.name}: column is {measure.column!r}; expected lower-case letters, digits and _"
            )
        if measure.statuses is None:
            return
        unknown = [status for status in measure.statuses if status not in KNOWN_STATUSES]
        if unknown or not measure.statuses:
            raise MetricError(
                f"metric {self.name}: statuses are {measure.statuses}; expected some of {', '.join(KNOWN_STATUSES)}, or "
                "None for all orders"
            )

    @property
    def places(self) -> int:
        """Digits after the point of a figure."""
        return self.definition.places

    @property
    def label(self) -> str:
        """How reports and plots call it."""
        return self.title or self.name.replace("_", " ")


#: In the order of the reports.
RECONCILED_METRICS: tuple[DailyMetric, ...] = (
    DailyMetric("active_customers", Customers(), "total_active_customers"),
    DailyMetric("total_orders", Orders(), "total_orders"),
    DailyMetric("total_revenue", Total("total_amount", REVENUE_STATUSES), "total_revenue"),
    DailyMetric(
        "avg_order_value",
        Ratio(Total("total_amount", REVENUE_STATUSES), Orders(REVENUE_STATUSES)),
        "avg_order_value",
        title="average order value",
    ),
)


def reconciled_metrics() -> tuple[DailyMetric, ...]:
    """The declared metrics. Raises MetricError when two have one name."""
    names = [metric.name for metric in RECONCILED_METRICS]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MetricError(f"metric {', '.join(twice)} is declared twice; expected a name of its own for each metric")
    return RECONCILED_METRICS


def metric_names() -> tuple[str, ...]:
    """Their names, in the order of the reports."""
    return tuple(metric.name for metric in reconciled_metrics())


def metric_named(name: str) -> DailyMetric | None:
    """The metric of that name; None for one that is declared no more, of which rows may still be stored."""
    return next((metric for metric in reconciled_metrics() if metric.name == name), None)


def in_report_order(names: Iterable[str]) -> list[str]:
    """Distinct names as reports list them: declared metrics first, then those that are declared no more, by name."""
    place = {name: number for number, name in enumerate(metric_names())}
    return sorted(set(names), key=lambda name: (place.get(name, len(place)), name))


def all_measures(metrics: Iterable[DailyMetric]) -> tuple[Measure, ...]:
    """What has to be measured for `metrics`, each once; the count of all orders is the first."""
    needed = (measure for metric in metrics for measure in measures_of(metric.definition))
    return tuple(dict.fromkeys((Orders(), *needed)))


def totalled_columns(measures: Iterable[Measure]) -> dict[str, int]:
    """The columns that are summed, with their digits after the point."""
    places: dict[str, int] = {}
    for measure in measures:
        if isinstance(measure, Total):
            places[measure.column] = max(measure.places, places.get(measure.column, 0))
    return places


def exact_figure(measure: Measure, answer: object) -> int | Decimal:
    """An engine's answer for a measure: a count is int, a total Decimal."""
    return int(str(answer)) if isinstance(measure, Orders) else Decimal(str(answer))
