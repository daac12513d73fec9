"""Two engines that agree, and months that stay closed.

What belongs here: the checks of Spark's analytics against dbt's, and the one that says which figures of closed months a run
changed. What does not: dbt's own tests (they come with the models), their SQL (agreement.py, restatements.py).
"""

import dagster as dg

from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.transformation.results.agreement import COMPARISONS, Comparison, compare
from ecommerce_platform.transformation.results.restatements import restatements, summary
from ecommerce_platform.warehouse.resource import WarehouseResource


def build_checks(span: BusinessSpan) -> list[dg.AssetChecksDefinition]:
    """One check a Spark table, on the model that computes the same; and one on the daily figures of closed months."""
    return [
        *(_agreement_check(comparison, span) for comparison in COMPARISONS),
        _closed_months_check(),
    ]


def _agreement_check(comparison: Comparison, span: BusinessSpan) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(list(comparison.asset)),
        name="agrees_with_spark",
        additional_deps=[dg.AssetKey(["snowflake", "staging", comparison.spark_table])],
        description="Every row equals the one that Spark computed, exactly; skipped while the two know different days.",
        blocking=True,
    )
    @plain_words
    def agrees_with_spark(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.connection() as connection:
            outcome = compare(connection, comparison, span)
        return dg.AssetCheckResult(
            passed=outcome.passed,
            description=outcome.message,
            metadata={
                "rows_only_in_dbt": outcome.only_in_dbt,
                "rows_only_in_spark": outcome.only_in_spark,
                "compared": outcome.compared,
                "examples": dg.MetadataValue.json(list(outcome.examples)),
            },
        )

    return agrees_with_spark


def _closed_months_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["marts", "daily_business_metrics"]),
        name="closed_months_stand",
        description="This run changed no published figure of a closed month; where it did, dates and figures are named.",
    )
    @plain_words
    def closed_months_stand(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> dg.AssetCheckResult:
        with warehouse.connection(context.run.run_id) as connection:
            changes = restatements(
                connection, model="daily_business_metrics", run_id=context.run.run_id, closed_only=True
            )
        return dg.AssetCheckResult(
            passed=not changes,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"restated in closed months: {summary(changes)}" if changes else "no closed month was restated",
            metadata={
                "figures": len(changes),
                "dates": ", ".join(sorted({str(entry.date) for entry in changes})) or "none",
                "cause": changes[0].cause or "" if changes else "none",
            },
        )

    return closed_months_stand
