"""The room's asset checks: one for each metric, and for the orders' keys, confirmed discrepancies and convergence.

What belongs here: declaring and calling. What does not: verdicts (outcome.py). Over tolerance a check warns; over the failure
limit it is an error and blocks, so that the run's exit code says so. All are one step over one connection: Dagster evaluates
each of them, and fails the step afterwards.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from ecommerce_platform.daily_metrics import metric_names
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.reconciliation.assets import CONVERGENCE_KEY, DISCREPANCIES_KEY, METRICS_KEY
from ecommerce_platform.reconciliation.model import Status
from ecommerce_platform.reconciliation.record import outcome
from ecommerce_platform.reconciliation.record.outcome import Outcome
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.settings import ReconciliationSettings

ID_ALIGNMENT, CONFIRMED, CONVERGED = "id_alignment", "confirmed_discrepancies", "converged"


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All checks of the room."""

    @dg.multi_asset_check(name="reconciliation__checks", specs=_specs(), can_subset=True)
    @plain_words
    def checks(
        context: dg.AssetCheckExecutionContext, reconciliation: ReconciliationResource
    ) -> Iterator[dg.AssetCheckResult]:
        run_id = context.op_execution_context.run_id
        limits = reconciliation.settings.reconciliation
        with reconciliation.store(run_id) as store:
            for key in sorted(context.selected_asset_check_keys, key=str):
                outcome = _outcome(key.name, store, run_id, limits)
                yield dg.AssetCheckResult(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=outcome.status is Status.OK,
                    severity=_severity(outcome.status),
                    description=outcome.text,
                    metadata=outcome.details,
                )

    return [checks]


def _specs() -> list[dg.AssetCheckSpec]:
    metrics = (
        dg.AssetCheckSpec(
            metric,
            asset=METRICS_KEY,
            blocking=True,
            description=f"{metric} over all customers agrees between speed and batch layer on every business date covered.",
        )
        for metric in metric_names()
    )
    others = (
        (DISCREPANCIES_KEY, ID_ALIGNMENT, "Both layers have the same order ids, each once."),
        (DISCREPANCIES_KEY, CONFIRMED, "No order differs for longer than the lag window."),
        (CONVERGENCE_KEY, CONVERGED, "Every reconciled business date converges within its time limit."),
    )
    return [
        *metrics,
        *(dg.AssetCheckSpec(name, asset=key, blocking=True, description=text) for key, name, text in others),
    ]


def _outcome(name: str, store: Store, run_id: str, limits: ReconciliationSettings) -> Outcome:
    if name == ID_ALIGNMENT:
        return outcome.alignment_outcome(store.open_discrepancies())
    if name == CONFIRMED:
        return outcome.confirmed_outcome(store.open_discrepancies())
    if name == CONVERGED:
        return outcome.convergence_outcome(store, timedelta(hours=limits.convergence_limit_hours))
    return outcome.metric_outcome(name, outcome.metric_rows(store, name, run_id))


def _severity(status: Status) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if status is Status.ERROR else dg.AssetCheckSeverity.WARN
