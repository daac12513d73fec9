"""Dagster's view of the room: the metrics report, the orders that differ, and how the days converge.

What belongs here: declaring, calling, reporting metadata. What does not: the reconciliation itself (reconcile.py). The three
assets are one step, because they are three views of one reconciliation as of one cut-off.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from ecommerce_platform.execution.partitions import add_days_metadata, daily_partitions, partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.landing.forgotten import load_forgotten
from ecommerce_platform.reconciliation.layers.both import open_layers
from ecommerce_platform.reconciliation.model import ALL_TIERS, State, Status
from ecommerce_platform.reconciliation.present import report
from ecommerce_platform.reconciliation.reconcile import Reconciliation, reconcile
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.record.tables import CONVERGENCE, DISCREPANCIES, METRICS, TABLES
from ecommerce_platform.reconciliation.record.turn import turn
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.reconciliation.verdicts.explain import plain
from ecommerce_platform.settings import ReconciliationSettings, S3Settings
from ecommerce_platform.warehouse.sql.connection import connect

if TYPE_CHECKING:
    from ecommerce_platform.reconciliation.present.publish import Published

METRICS_KEY = dg.AssetKey(["reconciliation", "daily_business_metrics"])
DISCREPANCIES_KEY = dg.AssetKey(["reconciliation", "order_discrepancies"])
CONVERGENCE_KEY = dg.AssetKey(["reconciliation", "convergence"])
#: What the batch side of a reconciliation reads.
DEPENDENCIES = (
    dg.AssetKey(["marts", "daily_business_metrics"]),
    dg.AssetKey(["staging", "orders_enhanced"]),
    dg.AssetKey(["staging", "users_enhanced"]),
    dg.AssetKey(["snowflake", "raw", "orders"]),
)
_OWNERS = ["team:data-platform"]
_DESCRIPTIONS = {
    METRICS_KEY: "Active customers, orders, revenue and average order value of each business date and customer tier, as the "
    "speed layer and the batch layer have them, with the difference judged.",
    DISCREPANCIES_KEY: "Every order on which the layers differ: why, both values, where the batch layer's version came from, and "
    "whether it is suspected, confirmed or healed.",
    CONVERGENCE_KEY: "How each business date stood at each of its reconciliations, how long it took to converge, and the date "
    "up to which all dates have (RECONCILIATION.VERIFIED_THROUGH).",
}
_TABLES: Mapping[dg.AssetKey, str] = {
    METRICS_KEY: METRICS,
    DISCREPANCIES_KEY: DISCREPANCIES,
    CONVERGENCE_KEY: CONVERGENCE,
}


def build_assets(first: date) -> list[dg.AssetsDefinition]:
    """The room's three assets, materialized by one step; their partitions begin at `first`."""

    @dg.multi_asset(
        name="reconciliation__layers",
        pool="reconciliation",
        specs=[_spec(key) for key in _DESCRIPTIONS],
        partitions_def=daily_partitions(first),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        group_name="reconciliation",
    )
    @plain_words
    def layers(
        context: dg.AssetExecutionContext, lake: StepLake, reconciliation: ReconciliationResource
    ) -> Iterator[dg.MaterializeResult]:
        days, run_id = partition_days(context), context.run.run_id
        with reconciliation.store(run_id) as store, reconciliation.speed_table(run_id) as table:
            settings = reconciliation.settings
            if not table.exists() and settings.clickhouse.is_embedded:
                context.log.warning(_NO_SPEED_LAYER, table.table)
                metadata: dict[str, Any] = {"speed layer": "none: nothing to compare"}
                yield from (
                    dg.MaterializeResult(key, metadata=metadata)
                    for key in _DESCRIPTIONS
                    if key in context.selected_asset_keys
                )
                return
            limits, opener = settings.reconciliation, partial(connect, settings, run_id)
            # The start is the audit stamp by which discrepancies are confirmed; the comparison itself asks no clock.
            with turn(store, opener, run_id, limits, settings.snowflake.lease_seconds, context.log.info):
                started = datetime.now(UTC)
                layers = open_layers(table, store, limits, load_forgotten(settings, lake))
                outcome = reconcile(layers, store, days, run_id, started, limits)
            published = _publish(context, limits, settings.s3, store, outcome)
        context.log.info("%s; verified through %s", outcome.run.verdict, outcome.run.verified_through)
        _per_day(context, days, outcome, published)
        for key, described in _metadata(outcome, published).items():
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(key, metadata=_common(outcome) | described)

    return [layers]


_NO_SPEED_LAYER = (
    "the speed layer has no table %s, so there is nothing to compare; "
    "load one with `ecommerce-platform realtime load PATH`"
)


def _publish(
    context: dg.AssetExecutionContext,
    limits: ReconciliationSettings,
    s3: S3Settings,
    store: Store,
    outcome: Reconciliation,
) -> "Published | None":
    """Writes the reports. Where they cannot be written the run goes on: the reconciliation stands in its tables."""
    from ecommerce_platform.reconciliation.present.publish import Place, publish, worth_a_page

    try:
        return publish(Place.of(limits.reports_uri, s3), store, worth_a_page(outcome, limits.report_pages))
    except OSError as error:
        context.log.warning(_NO_REPORT, limits.reports_uri, error)
        return None


_NO_REPORT = (
    "no report was written to %s: %s; "
    "check ECOMMERCE_RECONCILIATION__REPORTS_URI, then run `ecommerce-platform reconcile report`"
)


def _spec(key: dg.AssetKey) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[
            *DEPENDENCIES,
            *({METRICS_KEY: [], DISCREPANCIES_KEY: [METRICS_KEY], CONVERGENCE_KEY: [DISCREPANCIES_KEY]}[key]),
        ],
        description=_DESCRIPTIONS[key],
        owners=_OWNERS,
        kinds={"clickhouse", "snowflake"},
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(column.name, column.snowflake_type.lower(), column.description)
                    for column in TABLES[_TABLES[key]].columns
                ]
            ),
            "dagster/table_name": f"ECOMMERCE_DW.RECONCILIATION.{key.path[-1].upper()}",
        },
    )


def _per_day(
    context: dg.AssetExecutionContext, days: tuple[date, ...], outcome: Reconciliation, published: "Published | None"
) -> None:
    """What each partition's materialization says: the reconciliation covers a range at once, by business date."""
    by_day: dict[date, dict[str, Any]] = {}
    off = Counter(v.date for v in outcome.verdicts if v.user_tier == ALL_TIERS and v.status is not Status.OK)
    for day in days:
        summary: dict[str, Any] = {
            "business dates of the run": len(outcome.run.dates),
            "cut-off": plain(outcome.run.cut_off) or "none",
        }
        if day in outcome.run.dates:
            course = outcome.courses[day]
            summary |= {
                "metrics out of tolerance on this business date": off[day],
                "converged on this business date": course.converged,
            }
        if published and day in published.days:
            summary["report page"] = dg.MetadataValue.path(published.days[day])
        by_day[day] = summary
    add_days_metadata(context, context.selected_asset_keys, by_day)


def _common(outcome: Reconciliation) -> dict[str, Any]:
    seconds = (outcome.run.end_time - outcome.run.start_time).total_seconds()
    return {
        "cut-off": plain(outcome.run.cut_off) or "none",
        "business dates": len(outcome.run.dates),
        "first business date": str(min(outcome.run.dates, default="none")),
        "last business date": str(max(outcome.run.dates, default="none")),
        "lagging orders": outcome.run.orders_lagging,
        "seconds": round(seconds, 2),
    }


def _metadata(outcome: Reconciliation, published: "Published | None") -> dict[dg.AssetKey, dict[str, Any]]:
    statuses = Counter(verdict.status for verdict in outcome.verdicts if verdict.user_tier == ALL_TIERS)
    states = Counter(item.state for item in outcome.discrepancies)
    metrics = report.metrics_markdown(outcome.verdicts) if outcome.verdicts else "no business date to compare"
    overview = {"overview": dg.MetadataValue.path(published.overview)} if published else {}
    return {
        METRICS_KEY: {
            "dagster/row_count": len(outcome.verdicts),
            "metrics within tolerance": statuses[Status.OK],
            "metrics over tolerance": statuses[Status.WARN],
            "metrics over the failure limit": statuses[Status.ERROR],
            "report": dg.MetadataValue.md(metrics),
            **overview,
        },
        DISCREPANCIES_KEY: {
            "dagster/row_count": len(outcome.discrepancies),
            **{state.value: states[state] for state in State},
            "reasons": dg.MetadataValue.json(report.reasons(outcome)),
            "findings": dg.MetadataValue.md(report.findings_markdown(outcome.discrepancies)),
            "verdict": outcome.run.verdict,
            "row checksums fetched": outcome.located.rows_fetched,
            **overview,
        },
        CONVERGENCE_KEY: {
            "dagster/row_count": len(outcome.results),
            "verified through": str(outcome.run.verified_through or "no date yet"),
            "dates not converged": dg.MetadataValue.json(
                [str(result.date) for result in outcome.results if not result.converged]
            ),
            **({"curve": dg.MetadataValue.md(_curve(published))} if published and published.history else {}),
            **overview,
        },
    }


def _curve(published: "Published") -> str:
    from ecommerce_platform.reconciliation.present.plots import convergence_png

    return f"![Orders that differ, over all business dates]({convergence_png(published.history)})"
