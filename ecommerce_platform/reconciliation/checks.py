"""The room's asset checks: one for each metric, and for the orders' keys, confirmed discrepancies and convergence.

What belongs here: declaring and calling. What does not: verdicts (outcome.py). Over tolerance a check warns; over the failure
limit it is an error and blocks, so that the run's exit code says so.
"""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from ecommerce_platform.metrics import RECONCILED_METRICS
from ecommerce_platform.reconciliation import outcome
from ecommerce_platform.reconciliation.assets import CONVERGENCE_KEY, DISCREPANCIES_KEY, METRICS_KEY
from ecommerce_platform.reconciliation.model import Status
from ecommerce_platform.reconciliation.outcome import Outcome
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.reconciliation.storage import Store
from ecommerce_platform.settings import Settings

Verdict = Callable[[Store, str, Settings], Outcome]


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """All checks of the room."""
    return [
        *(_check(METRICS_KEY, metric, _metric(metric), _METRIC.format(metric)) for metric in RECONCILED_METRICS),
        _check(
            DISCREPANCIES_KEY,
            "id_alignment",
            lambda store, run_id, settings: outcome.alignment_outcome(store.open_discrepancies()),
            "Both layers have the same order ids, each once.",
        ),
        _check(
            DISCREPANCIES_KEY,
            "confirmed_discrepancies",
            lambda store, run_id, settings: outcome.confirmed_outcome(store.open_discrepancies()),
            "No order differs for longer than the lag window.",
        ),
        _check(
            CONVERGENCE_KEY,
            "converged",
            _converged,
            "Every reconciled business date converges within its time limit.",
        ),
    ]


_METRIC = "{} over all customers agrees between speed and batch layer on every business date of the reconciliation."


def _metric(metric: str) -> Verdict:
    def verdict(store: Store, run_id: str, settings: Settings) -> Outcome:
        return outcome.metric_outcome(metric, outcome.metric_rows(store, metric, run_id))

    return verdict


def _converged(store: Store, run_id: str, settings: Settings) -> Outcome:
    limit = timedelta(hours=settings.reconciliation.convergence_limit_hours)
    return outcome.convergence_outcome(store, limit)


def _check(key: dg.AssetKey, name: str, verdict: Verdict, description: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description, blocking=True)
    def check(context: dg.AssetCheckExecutionContext, reconciliation: ReconciliationResource) -> dg.AssetCheckResult:
        run_id = context.op_execution_context.run_id
        with reconciliation.store(run_id) as store:
            found = verdict(store, run_id, reconciliation.settings)
        return dg.AssetCheckResult(
            passed=found.status is Status.OK,
            severity=dg.AssetCheckSeverity.ERROR if found.status is Status.ERROR else dg.AssetCheckSeverity.WARN,
            description=found.text,
            metadata=found.details,
        )

    return check
