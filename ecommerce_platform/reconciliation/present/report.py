"""A reconciliation in words, tables and JSON.

What belongs here: rendering. What does not: verdicts (verdict.py, explain.py) and Dagster's metadata types (assets.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ecommerce_platform.reconciliation.model import ALL_TIERS, Discrepancy, MetricVerdict, Reason, State, Status
from ecommerce_platform.reconciliation.reconcile import Reconciliation
from ecommerce_platform.reconciliation.verdicts.explain import plain
from ecommerce_platform.safe_text import markdown_cell

ROWS_SHOWN = 50


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; values show as they are, absent values are empty."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "" if value is None else markdown_cell(str(value).replace("\n", " "))


def metrics_markdown(verdicts: Sequence[MetricVerdict], limit: int = ROWS_SHOWN) -> str:
    """The metrics over all customers that are out of tolerance, worst first; the last date's figures when none is."""
    over_all = [verdict for verdict in verdicts if verdict.user_tier == ALL_TIERS]
    off = sorted(
        (verdict for verdict in verdicts if verdict.status is not Status.OK),
        key=lambda verdict: (verdict.user_tier != ALL_TIERS, -verdict.percentage_difference, verdict.date),
    )
    shown = off or [verdict for verdict in over_all if verdict.date == max(item.date for item in over_all)]
    rows = [
        (
            verdict.date,
            verdict.metric,
            verdict.user_tier,
            verdict.speed_value,
            verdict.batch_value,
            percent(verdict),
            verdict.status,
        )
        for verdict in shown[:limit]
    ]
    table = markdown_table(("date", "metric", "tier", "speed", "batch", "difference", "verdict"), rows)
    return table + (f"\n\n… and {len(shown) - limit} more" if len(shown) > limit else "")


def percent(verdict: MetricVerdict) -> str:
    """The difference as people read it."""
    return f"{verdict.percentage_difference * 100:.2f} %"


def findings_markdown(discrepancies: Sequence[Discrepancy], limit: int = ROWS_SHOWN) -> str:
    """Discrepancies, confirmed ones first, with both values and where the batch layer's version came from."""
    order = {State.CONFIRMED: 0, State.SUSPECTED: 1, State.HEALED: 2}
    ranked = sorted(discrepancies, key=lambda item: (order[item.state], item.finding.date, item.finding.order_id))
    rows = [
        (
            item.finding.date,
            item.finding.order_id,
            item.finding.reason,
            item.finding.speed_value,
            item.finding.batch_value,
            item.state,
            item.finding.lineage.source_file if item.finding.lineage else None,
            item.finding.detail,
        )
        for item in ranked[:limit]
    ]
    table = markdown_table(("date", "order", "reason", "speed", "batch", "state", "landing file", "detail"), rows)
    return table + (f"\n\n… and {len(ranked) - limit} more" if len(ranked) > limit else "")


def reasons(reconciliation: Reconciliation) -> dict[str, int]:
    """How many orders differ by reason, lag included."""
    counts = Counter(finding.reason for finding in reconciliation.findings.values())
    return {reason.value: counts[reason] for reason in Reason if counts[reason]}


def as_json(reconciliation: Reconciliation) -> dict[str, Any]:
    """The whole result for machines: decimals as strings, times in ISO form, UTC."""
    run = reconciliation.run
    return {
        "run_id": run.run_id,
        "start_time": plain(run.start_time),
        "end_time": plain(run.end_time),
        "cut_off": plain(run.cut_off),
        "dates": [day.isoformat() for day in run.dates],
        "complete": run.complete,
        "verdict": run.verdict,
        "verified_through": run.verified_through.isoformat() if run.verified_through else None,
        "metrics": [_metric_json(verdict) for verdict in reconciliation.verdicts],
        "discrepancies": [discrepancy_json(item) for item in reconciliation.discrepancies],
        "lagging": sorted(
            order_id for order_id, finding in reconciliation.findings.items() if finding.reason is Reason.LAG
        ),
    }


def _metric_json(verdict: MetricVerdict) -> dict[str, Any]:
    return {
        "date": verdict.date.isoformat(),
        "metric": verdict.metric,
        "user_tier": verdict.user_tier,
        "speed_value": str(verdict.speed_value),
        "batch_value": str(verdict.batch_value),
        "difference": str(verdict.difference),
        "percentage_difference": str(verdict.percentage_difference),
        "status": verdict.status.value,
    }


def discrepancy_json(item: Discrepancy) -> dict[str, Any]:
    """One discrepancy for machines."""
    finding, origin = item.finding, item.finding.lineage
    return {
        "date": finding.date.isoformat(),
        "order_id": finding.order_id,
        "reason": finding.reason.value,
        "state": item.state.value,
        "speed_value": finding.speed_value,
        "batch_value": finding.batch_value,
        "columns": list(finding.columns),
        "detail": finding.detail,
        "first_seen": plain(item.first_seen),
        "last_seen": plain(item.last_seen),
        "healed_at": plain(item.healed_at),
        "speed_lsn": finding.speed_lsn,
        "batch_lsn": finding.batch_lsn,
        "landing_file": origin.source_file if origin else None,
        "landing_row": origin.source_row if origin else None,
        "landing_date": origin.landing_date.isoformat() if origin else None,
        "iceberg_snapshot_id": origin.snapshot_id if origin else None,
        "batch_id": origin.batch_id if origin else None,
    }
