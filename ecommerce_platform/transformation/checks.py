"""Two engines that agree: Spark's analytics held against dbt's, exactly.

What belongs here: the three checks. What does not: dbt's own tests (they come with the models), the SQL of the comparison
(agreement.py).
"""

import dagster as dg

from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.agreement import COMPARISONS, Comparison, compare
from ecommerce_platform.warehouse.resource import WarehouseResource


def build_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """One check a Spark table, on the model that computes the same."""
    return [_agreement_check(comparison) for comparison in COMPARISONS]


def _agreement_check(comparison: Comparison) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(list(comparison.asset)),
        name="agrees_with_spark",
        additional_deps=[dg.AssetKey(["snowflake", "staging", comparison.spark_table])],
        description="Every row equals the one that Spark computed, exactly; skipped while the two know different days.",
        blocking=True,
    )
    def agrees_with_spark(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.connection() as connection:
            outcome = compare(connection, comparison)
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
