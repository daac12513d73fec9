"""The change events of orders that the batch layer has applied, as SQL for Snowflake.

What belongs here: which events count, and in which order they stand. What does not: asking (batch.py).

An event counts as applied when its day's load is the one that the transformation finished with (STAGING.APPLIED_DAYS): rows
of a newer load that dbt has not seen do not count yet, rows of a replaced load (RAW.SUPERSEDED_ORDERS) still do.
"""

from __future__ import annotations

from collections.abc import Sequence

from ecommerce_platform.contracts import Contract

_APPLIED = "select date, batch_id from staging.applied_days where lower(table_name) = 'orders'"
_EVENT_COLUMNS = ("__op", "__ts_ms", "__source_ts_ms", "__source_lsn", "__source_file", "__source_row")

#: Where an event stands among those of its order (docs/definitions.md, "effective LSN").
_EFFECTIVE_LSN = """coalesce(events.__source_lsn, max(events.__source_lsn) over (
    partition by events.{key} order by events.__ts_ms range between unbounded preceding and current row))"""


def applied_events(
    contract: Contract, *columns: str, condition: str = "1 = 1", of_orders_with: str | None = None
) -> str:
    """A `with` clause that ends in `events`: key, date, batch_id and `columns` of the applied events of orders for which
    `condition` holds; with `of_orders_with`, only of the orders that have an applied event for which that holds.
    """
    key, touched = contract.key, ""
    if of_orders_with is not None:
        touched = f"touched as ({_applied((key, 'date', 'batch_id'), of_orders_with)}),"
        condition = f"{condition} and {key} in (select {key} from touched)"
    return f"""
            with applied as ({_APPLIED}),
            {touched}
            events as ({_applied((key, "date", "batch_id", *columns), condition)})"""


def _applied(names: Sequence[str], condition: str) -> str:
    """The condition stands where the tables are read: an engine leaves out what cannot hold it before it joins anything."""
    listed, qualified = ", ".join(names), ", ".join(f"loaded.{name}" for name in names)
    return f"""
                select {qualified}
                from (
                    select {listed} from raw.orders where {condition}
                    union all
                    select {listed} from raw.superseded_orders where {condition}
                ) as loaded
                join applied on applied.date = loaded.date and applied.batch_id = loaded.batch_id
            """


def event_history(contract: Contract, names: Sequence[str], condition: str) -> str:
    """The applied events of the orders for which `condition` holds, oldest first: key, __op, __source_lsn, effective LSN,
    __source_ts_ms, landing date, file, row, batch_id, Iceberg snapshot, then the columns `names`."""
    key = contract.key
    return f"""
                {applied_events(contract, *names, *_EVENT_COLUMNS, condition=condition)}
                select events.{key}, events.__op, events.__source_lsn, events.effective_lsn, events.__source_ts_ms,
                       events.date, events.__source_file, events.__source_row, events.batch_id,
                       ledger.iceberg_snapshot_id, {", ".join(f"events.{name}" for name in names)}
                from (select events.*, {_EFFECTIVE_LSN.format(key=key)} as effective_lsn from events) as events
                left join raw.load_ledger as ledger
                    on lower(ledger.table_name) = 'orders' and ledger.date = events.date and ledger.batch_id = events.batch_id
                order by events.{key}, events.effective_lsn nulls first, iff(events.__source_lsn is null, 1, 0),
                         events.__ts_ms, events.date, events.__source_file, events.__source_row
            """
