"""Both layers' figures for the same population: what is compared, as of when, and what is lag.

What belongs here: the scope and the cut-off of a reconciliation, and putting the two sides' answers together. What does not:
SQL (speed.py, batch.py) and verdicts (verdict.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ecommerce_platform.daily_metrics import DailyMetric, Measure, Orders, all_measures
from ecommerce_platform.reconciliation.layers.batch import BatchOrders
from ecommerce_platform.reconciliation.layers.speed import SpeedOrders
from ecommerce_platform.reconciliation.model import ALL_TIERS, Cell, Measurement, MetricValues, OrderVersion, Value
from ecommerce_platform.reconciliation.search.ranges import KeyRange
from ecommerce_platform.reconciliation.search.sqltext import chunks
from ecommerce_platform.reconciliation.verdicts.explain import business_date, differing_columns, is_lag
from ecommerce_platform.reconciliation.verdicts.verdict import NetCells, metric_values


@dataclass(frozen=True)
class Scope:
    """What a reconciliation covers: business dates, all dates that either layer has, and the cut-off."""

    dates: tuple[date, ...]
    all_dates: tuple[date, ...]
    cut_off: datetime | None


def scope(speed: SpeedOrders, batch: BatchOrders, days: Sequence[date], open_days: Collection[date]) -> Scope:
    """The business dates that changes of `days` touch in either layer, with `open_days` that have not converged yet.

    Dates that only the speed layer has are covered, too: no change of the batch layer would ever touch them.
    """
    cut_off = batch.cut_off()
    in_batch = batch.dates()
    in_speed = {} if cut_off is None else speed.dates(cut_off, days)
    touched = set(batch.touched_dates(days)) | {day for day, changed in in_speed.items() if changed}
    covered = touched | set(open_days) | (in_speed.keys() - in_batch)
    return Scope(tuple(sorted(covered)), tuple(sorted(in_batch | in_speed.keys())), cut_off)


def measure(speed: SpeedOrders, batch: BatchOrders, dates: Sequence[date], cut_off: datetime | None) -> Measurement:
    """Metrics of `dates` in both layers, without the orders that lag.

    The figures over all customers are the mart's, less what the lagging orders contribute: a mart that disagrees with the
    orders beneath it must show, too. On dates outside the span, which have no row there, they are the orders' own. The tiers'
    figures are computed from the orders, with the batch layer's tiers.
    """
    if not dates:
        return Measurement(cut_off, (), {}, {})
    in_speed, in_batch = NetCells(), NetCells(batch.cells(dates))
    taken, lagging = NetCells(), Counter[date]()
    known = batch.known_keys()

    def late_orders() -> Iterator[OrderVersion]:
        for cells, late in speed.cells(dates, cut_off):
            in_speed.add(cells)
            yield from late

    # An engine's blocks may be of a few rows; a question to the batch layer for each of them would take longer than all else.
    for some in chunks(late_orders()):
        kept, without, late_on = _without_lag(batch, known, some, frozenset(dates), cut_off)
        in_speed.add(kept)
        taken.add(without)
        lagging.update(late_on)
    tier_of = batch.tiers({cell.user_id for side in (in_speed, in_batch) for cell in side if cell.user_id is not None})
    whole = metric_values(in_batch, tier_of, batch.metrics)
    in_batch.add(taken)
    compared = metric_values(in_batch, tier_of, batch.metrics)
    by_mart = sorted(set(dates) - batch.dates_outside_the_span(dates))
    return Measurement(
        cut_off=cut_off,
        dates=tuple(dates),
        speed=metric_values(in_speed, tier_of, batch.metrics),
        batch=_with_mart_figures(batch.metrics, batch.mart(dates), whole, compared, by_mart),
        lagging=dict(lagging),
    )


def _without_lag(
    batch: BatchOrders,
    known: KeyRange | None,
    late: Sequence[OrderVersion],
    dates: frozenset[date],
    cut_off: datetime | None,
) -> tuple[list[Cell], list[Cell], Counter[date]]:
    """Of the speed versions after the cut-off: the cells of those that still count, the negative cells of the batch's
    versions of those that lag, and how many lag by business date."""
    # Orders that came after all that the batch layer knows are most of those that lag when it is days behind: no need to ask.
    measures = all_measures(batch.metrics)
    ids = [version.order_id for version in late if known and known.low <= version.order_id <= known.high]
    in_batch = batch.versions(ids, batch.history(ids))
    compared = [column.name for column in batch.compared]
    kept: list[Cell] = []
    taken: list[Cell] = []
    lagging = Counter[date]()
    for version in late:
        other = in_batch.get(version.order_id)
        if differing_columns(version, other, compared) is not None and is_lag(version, other, cut_off):
            taken += _cells(other, dates, -1, measures)
            if (day := business_date(version, other)) in dates:
                lagging[day] += 1
        else:
            kept += _cells(version, dates, 1, measures)
    return kept, taken, lagging


def _cells(
    version: OrderVersion | None, dates: frozenset[date], sign: int, measures: Sequence[Measure]
) -> Iterable[Cell]:
    """The order as a cell of its business date; nothing when it is not shown, or of another date."""
    if version is None or version.values is None:
        return []
    created, user = version.values.get("created_at"), version.values.get("user_id")
    if not isinstance(created, datetime) or created.date() not in dates:
        return []
    figures = tuple(sign * _figure(measure, version.values) for measure in measures)
    return [Cell(created.date(), user if isinstance(user, int) else None, figures)]


def _figure(measure: Measure, values: Mapping[str, Value]) -> int | Decimal:
    """What one order adds to a measure."""
    counts = measure.statuses is None or values.get("status") in measure.statuses
    if isinstance(measure, Orders):
        return int(counts)
    number = values.get(measure.column)
    return Decimal(number) if counts and isinstance(number, int | Decimal) else Decimal(0)


def _with_mart_figures(
    metrics: Sequence[DailyMetric],
    mart: Mapping[date, MetricValues],
    whole: Mapping[tuple[date, str], MetricValues],
    compared: Mapping[tuple[date, str], MetricValues],
    dates: Sequence[date],
) -> dict[tuple[date, str], MetricValues]:
    """The batch layer's figures: on `dates` those over all customers are the mart's, where it publishes them, changed by what
    leaving out the lagging orders changes in the orders' own."""
    figures = dict(compared)
    for day in dates:
        key = (day, ALL_TIERS)
        published, before, after = mart.get(day, {}), whole.get(key, {}), compared.get(key, {})
        zero = Decimal(0)
        figures[key] = {
            metric.name: after.get(metric.name, zero)
            if metric.mart_column is None
            else published.get(metric.name, zero) - before.get(metric.name, zero) + after.get(metric.name, zero)
            for metric in metrics
        }
    return figures
