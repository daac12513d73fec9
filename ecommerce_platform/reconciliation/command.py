"""What the command line offers of this room, as plain functions.

What belongs here: opening the layers, calling, exit codes. What does not: arguments and printing (cli.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ecommerce_platform.landing.forgotten import load_forgotten
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.reconciliation.compare.clickhouse_side import ClickHouseTable
from ecommerce_platform.reconciliation.compare.config import load_comparison
from ecommerce_platform.reconciliation.compare.results import write_results
from ecommerce_platform.reconciliation.compare.run import Compared, compare
from ecommerce_platform.reconciliation.compare.snowflake_side import SnowflakeTable
from ecommerce_platform.reconciliation.layers import clickhouse
from ecommerce_platform.reconciliation.layers.both import Layers, open_layers
from ecommerce_platform.reconciliation.layers.clickhouse import speed_table
from ecommerce_platform.reconciliation.model import ALL_TIERS, FailOn, ReconciliationError, State, Status
from ecommerce_platform.reconciliation.reconcile import Reconciliation, reconcile
from ecommerce_platform.reconciliation.record.storage import Store, open_store
from ecommerce_platform.reconciliation.record.turn import turn
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import connect

if TYPE_CHECKING:
    from ecommerce_platform.reconciliation.present.publish import Place


@contextmanager
def opened(settings: Settings, run_id: str) -> Iterator[tuple[Layers, Store]]:
    """Both layers and the room's tables. Raises ReconciliationError when there is no speed layer to compare."""
    with open_store(settings, run_id) as store, speed_table(settings, run_id) as table:
        if not table.exists():
            raise ReconciliationError(
                f"the speed layer has no table {table.table}; expected the order versions there. Load some with "
                "`ecommerce-platform realtime load PATH`, or name the table in ECOMMERCE_CLICKHOUSE__ORDERS_TABLE"
            )
        yield open_layers(table, store, settings.reconciliation, load_forgotten(settings)), store


def reconcile_days(
    settings: Settings,
    days: Sequence[date],
    run_id: str,
    say: Callable[[str], None] = lambda _: None,
    reached: Reached = unseen,
) -> Reconciliation:
    """Reconcile what the changes of `days` touch and what has not converged; no `days`: the latter only.

    Raises ReconciliationError when another reconciliation does not end in time.
    """
    opener, lease_seconds = partial(connect, settings, run_id), settings.snowflake.lease_seconds
    with (
        opened(settings, run_id) as (layers, store),
        turn(store, opener, run_id, settings.reconciliation, lease_seconds, say),
    ):
        return reconcile(layers, store, days, run_id, datetime.now(UTC), settings.reconciliation, reached=reached)


def write_reports(store: Store, place: Place, days: Sequence[date]) -> dict[str, str]:
    """Write the pages of `days` (none: of all dates that have not converged) and the overview; where each lies, by name."""
    from ecommerce_platform.reconciliation.present.publish import publish  # matplotlib: a second of imports

    published = publish(place, store, days or sorted({result.date for result in store.open_day_results()}))
    return {"overview": published.overview} | {day.isoformat(): where for day, where in published.days.items()}


def compare_tables(settings: Settings, file: Path, run_id: str) -> Compared:
    """The comparison that `file` describes; its figures are written to its results table when it names one."""
    comparison = load_comparison(file)
    with closing(connect(settings, run_id)) as connection:
        with closing(clickhouse.connect(settings, run_id)) as client:
            compared = compare(ClickHouseTable(comparison, client), SnowflakeTable(comparison, connection), run_id)
        if comparison.results_table:
            write_results(connection, comparison.results_table, compared)
    return compared


def exit_code(reconciliation: Reconciliation, fail_on: FailOn) -> int:
    """1 when the reconciliation found what `fail_on` names (or worse of the same kind), else 0.

    `suspected` includes confirmed discrepancies, and an examination that a limit cut short; `warn` includes errors.
    """
    states = {item.state for item in reconciliation.discrepancies}
    statuses = {verdict.status for verdict in reconciliation.verdicts if verdict.user_tier == ALL_TIERS}
    failed = {
        FailOn.NEVER: False,
        FailOn.CONFIRMED: State.CONFIRMED in states,
        FailOn.SUSPECTED: bool(states & {State.CONFIRMED, State.SUSPECTED}) or not reconciliation.located.complete,
        FailOn.ERROR: Status.ERROR in statuses,
        FailOn.WARN: bool(statuses & {Status.WARN, Status.ERROR}),
    }
    return int(failed[fail_on])
