"""One reconciliation, from the first question to the written result.

What belongs here: the order of the steps. What does not: any step's own logic, and Dagster (assets.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ecommerce_platform.contracts import load_contracts, personal_names
from ecommerce_platform.daily_metrics import DailyMetric, reconciled_metrics
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.reconciliation.layers.both import Layers
from ecommerce_platform.reconciliation.layers.measure import Scope, measure, scope
from ecommerce_platform.reconciliation.layers.settled import batch_state, settled_state
from ecommerce_platform.reconciliation.model import (
    Discrepancy,
    Finding,
    Measurement,
    MetricVerdict,
    Reason,
    ReconciliationError,
    State,
)
from ecommerce_platform.reconciliation.record.rows import RunRecord
from ecommerce_platform.reconciliation.record.storage import Overtaken, Store, Version, course_of_days
from ecommerce_platform.reconciliation.search.locate import Limits, Located, locate
from ecommerce_platform.reconciliation.search.sqltext import chunks
from ecommerce_platform.reconciliation.verdicts.converge import (
    DayCourse,
    DayResult,
    advance,
    unconverged,
    verified_through,
)
from ecommerce_platform.reconciliation.verdicts.explain import explain
from ecommerce_platform.reconciliation.verdicts.forgotten import as_erased
from ecommerce_platform.reconciliation.verdicts.verdict import Tolerances, judge
from ecommerce_platform.settings import ReconciliationSettings
from ecommerce_platform.warehouse.sql.connection import is_conflict, with_retries

_ATTEMPTS = 3
#: Dates to compare, their metrics, the orders that differ, why, and writing it all down.
_PROGRESS, _PARTS = "reconcile", 5


@dataclass(frozen=True)
class Reconciliation:
    """Everything that one reconciliation found."""

    run: RunRecord
    scope: Scope
    measurement: Measurement
    verdicts: tuple[MetricVerdict, ...]
    located: Located
    findings: Mapping[int, Finding]
    discrepancies: tuple[Discrepancy, ...]
    results: tuple[DayResult, ...]
    courses: Mapping[date, DayCourse]


def reconcile(
    layers: Layers,
    store: Store,
    days: Sequence[date],
    run_id: str,
    at: datetime,
    settings: ReconciliationSettings,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    reached: Reached = unseen,
) -> Reconciliation:
    """Reconcile what the changes of `days` touch, and what has not converged yet; write and return what was found.

    `at` is the time of this reconciliation, by which discrepancies are confirmed; `clock` stamps its end. When dbt rewrites
    the batch layer meanwhile, or another reconciliation is written, all is measured again. Raises ReconciliationError when the
    batch layer never holds still, or has applied nothing, Overtaken when another reconciliation was written each time.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        reached(_PROGRESS, 0, _PARTS)
        state, version = settled_state(layers.batch, settings.wait_for_models_seconds), store.version()
        reconciliation = _compare(layers, store, days, run_id, at, settings, clock, reached)
        if batch_state(layers.batch) != state:
            continue
        try:
            reached(_PROGRESS, 4, _PARTS)
            _write(store, version, reconciliation)
        except Overtaken:
            if attempt == _ATTEMPTS:
                raise
            continue
        reached(_PROGRESS, _PARTS, _PARTS)
        return reconciliation
    raise ReconciliationError(
        f"the models were rebuilt during each of {_ATTEMPTS} measurements; expected the batch layer to hold still for "
        "one. Reconcile when no run is building them"
    )


def _compare(
    layers: Layers,
    store: Store,
    days: Sequence[date],
    run_id: str,
    at: datetime,
    settings: ReconciliationSettings,
    clock: Callable[[], datetime],
    reached: Reached,
) -> Reconciliation:
    earlier = store.day_results(excluding_run=run_id)
    open_before = store.open_discrepancies()
    open_days = {*unconverged(course_of_days(earlier, ())), *(item.finding.date for item in open_before)}
    covered = scope(layers.speed, layers.batch, days, open_days)
    reached(_PROGRESS, 1, _PARTS)
    measurement = measure(layers.speed, layers.batch, covered.dates, covered.cut_off)
    verdicts = judge(measurement, tolerances(settings, layers.batch.metrics), layers.batch.metrics)
    limits = Limits(settings.max_findings, settings.max_fetched_rows, settings.max_seconds)
    reached(_PROGRESS, 2, _PARTS)
    located = locate(layers.speed, layers.batch, covered.dates, limits)
    candidates = {*located.keys, *(item.finding.order_id for item in open_before)}
    reached(_PROGRESS, 3, _PARTS)
    findings = explain_orders(layers, sorted(candidates), covered.cut_off)
    window = timedelta(seconds=settings.lag_window_seconds)
    discrepancies = advance(open_before, findings, candidates, run_id, at, window)
    results = _day_results(covered.dates, findings, discrepancies, located.complete, run_id, at)
    courses = course_of_days(earlier, results)
    run = RunRecord(
        run_id=run_id,
        start_time=at,
        end_time=clock(),
        cut_off=covered.cut_off,
        days=tuple(days),
        dates=covered.dates,
        orders_differing=sum(item.state is not State.HEALED for item in discrepancies),
        orders_lagging=sum(finding.reason is Reason.LAG for finding in findings.values()),
        complete=located.complete,
        verdict=located.verdict(sum(finding.reason is not Reason.LAG for finding in findings.values())),
        verified_through=verified_through(covered.all_dates, courses),
    )
    return Reconciliation(
        run, covered, measurement, verdicts, located, findings, discrepancies, tuple(results), courses
    )


def _write(store: Store, since: Version, reconciliation: Reconciliation) -> None:
    def write() -> None:
        store.write(
            since,
            reconciliation.run,
            reconciliation.verdicts,
            reconciliation.measurement.lagging,
            reconciliation.discrepancies,
            reconciliation.results,
            reconciliation.courses,
        )

    with_retries(write, worth_another=is_conflict)


def explain_orders(layers: Layers, ids: Sequence[int], cut_off: datetime | None) -> dict[int, Finding]:
    """The finding of each of these orders on which the layers differ now, lag included.

    Some thousands of orders at a time: their histories are in memory, those of all candidates never are.
    """
    compared = [column.name for column in layers.batch.compared]
    personal, contracts = personal_names([layers.batch.contract]), load_contracts()
    explanations = {}
    for some in chunks(ids):
        history = layers.batch.history(some)
        in_batch, in_speed = layers.batch.versions(some, history), layers.speed.versions(some)
        for order_id in some:
            events = history.get(order_id, ())
            batch = in_batch.get(order_id)
            speed = as_erased(in_speed.get(order_id), batch, layers.forgotten, contracts, layers.batch.contract.table)
            finding = explain(speed, batch, compared, cut_off, events, personal)
            if finding is not None:
                explanations[order_id] = finding
    return explanations


def tolerances(settings: ReconciliationSettings, metrics: Sequence[DailyMetric] | None = None) -> Tolerances:
    """The settings' shares for single metrics, else what a metric declares, else the settings' for all.

    Raises ReconciliationError when the settings name a metric that is not declared.
    """
    metrics = reconciled_metrics() if metrics is None else metrics
    names = [metric.name for metric in metrics]
    for variable, shares in (("TOLERANCE", settings.metric_tolerance), ("FAILURE", settings.metric_failure)):
        if unknown := sorted(shares.keys() - set(names)):
            raise ReconciliationError(
                f"ECOMMERCE_RECONCILIATION__METRIC_{variable} names {', '.join(unknown)}; expected metrics that are "
                f"reconciled: {', '.join(names)}"
            )
    return Tolerances(
        settings.tolerance,
        settings.failure,
        {
            metric.name: (
                _first(settings.metric_tolerance.get(metric.name), metric.tolerance, settings.tolerance),
                _first(settings.metric_failure.get(metric.name), metric.failure, settings.failure),
            )
            for metric in metrics
        },
    )


def _first(*shares: Decimal | None) -> Decimal:
    """The first that is given."""
    return next(share for share in shares if share is not None)


def _day_results(
    dates: Sequence[date],
    findings: Mapping[int, Finding],
    discrepancies: Sequence[Discrepancy],
    complete: bool,
    run_id: str,
    at: datetime,
) -> list[DayResult]:
    """One result for each date covered, and for dates that only a finding names."""
    counts = Counter((item.finding.date, item.state) for item in discrepancies)
    lagging = Counter(finding.date for finding in findings.values() if finding.reason is Reason.LAG)
    named = {item.finding.date for item in discrepancies}
    return [
        DayResult(
            run_id,
            day,
            at,
            suspected=counts[day, State.SUSPECTED],
            confirmed=counts[day, State.CONFIRMED],
            healed=counts[day, State.HEALED],
            lagging=lagging[day],
            complete=complete,
        )
        for day in sorted({*dates, *named})
    ]
