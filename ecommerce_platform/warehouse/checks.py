"""The blocking check of the raw tables: what is in Snowflake is what Iceberg published.

What belongs here: declaring the checks and reporting their verdicts. What does not: measuring and judging (verify.py).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.execution.partitions import partition_days
from ecommerce_platform.execution.plain_steps import plain_words
from ecommerce_platform.iceberg.resource import StepLake
from ecommerce_platform.lakehouse.days.ledger import published_days
from ecommerce_platform.warehouse.assets import raw_key
from ecommerce_platform.warehouse.load.lake_files import contract_of_lake
from ecommerce_platform.warehouse.load.verify import measure, problems
from ecommerce_platform.warehouse.resource import WarehouseResource

CHECK_NAME = "rows_and_checksum"
_NAMED_PROBLEMS = 10


def build_checks() -> list[dg.AssetChecksDefinition]:
    """`rows_and_checksum` of each raw table, measured by one step."""
    contracts = load_contracts()
    specs = [
        dg.AssetCheckSpec(
            CHECK_NAME,
            asset=raw_key(table),
            blocking=True,
            description="Rows and a checksum over all columns of each day equal those of the published Iceberg files.",
        )
        for table in contracts
    ]

    @dg.multi_asset_check(name="snowflake_raw_rows_and_checksum", specs=specs, can_subset=True)
    @plain_words
    def rows_and_checksum(
        context: dg.AssetCheckExecutionContext, lake: StepLake, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        published = published_days(lake)
        run_days = _days_of_run(context)
        with warehouse.connection(context.run.run_id) as connection:
            for table, contract in contracts.items():
                if dg.AssetCheckKey(raw_key(table), CHECK_NAME) not in context.selected_asset_check_keys:
                    continue
                # Checks that are run alone have no partition: they look at all that is published.
                days = run_days if run_days is not None else tuple(published[table])
                measured = measure(connection, contract_of_lake(lake, contract), published[table], days)
                problems_by_day = problems(measured)
                yield dg.AssetCheckResult(
                    asset_key=raw_key(table),
                    check_name=CHECK_NAME,
                    passed=not problems_by_day,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=_failure(table, problems_by_day) if problems_by_day else f"{len(measured)} days agree",
                    metadata={
                        "days_compared": len(measured),
                        "rows": sum(day.raw.rows for day in measured),
                        "problems": {
                            str(day): problem for day, problem in list(problems_by_day.items())[:_NAMED_PROBLEMS]
                        },
                    },
                )

    return [rows_and_checksum]


def _days_of_run(context: dg.AssetCheckExecutionContext) -> tuple[date, ...] | None:
    """None when the run has no partitions, as when checks are run alone."""
    try:
        return partition_days(context)
    except dg.DagsterInvariantViolationError:
        return None


def _failure(table: str, problems_by_day: dict[date, str]) -> str:
    first = next(iter(problems_by_day.items()))
    more = f" and {len(problems_by_day) - 1} more days" if len(problems_by_day) > 1 else ""
    return f"RAW.{table.upper()} differs from Iceberg on {first[0]} ({first[1]}){more}"
