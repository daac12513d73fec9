"""The definitions once more, as a reader of docs/definitions.md would do them with pencil and paper, in plain Python.

What belongs here: latest state, row counts and daily metrics of a list of changes. What does not: files, SQL, the platform.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from ecommerce_platform_tests.end_to_end.history import PLACEHOLDER, Change

Row = dict[str, Any]
TEXTS = {
    "users": ("email", "first_name", "last_name"),
    "products": ("name", "description", "category"),
    "orders": ("status", "shipping_address"),
    "order_items": (),
}
PURCHASE = ("processing", "shipped", "delivered")


class Located(tuple[Any, ...]):
    """A change with its place in the event order of its key; the first item is the LSN at which it stands."""

    change: Change

    @staticmethod
    def of(change: Change, position: int, rivals: Iterable[Change]) -> Located:
        row = change.row
        lsn, own = row["__source_lsn"], True
        if lsn is None:
            # A snapshot row stands right after what the connector had seen of the key.
            own, lsn = False, -1
            for rival in rivals:
                if rival.row["__source_lsn"] is not None and rival.row["__ts_ms"] <= row["__ts_ms"]:
                    lsn = max(lsn, rival.row["__source_lsn"])
        located = Located((lsn, not own, row["__ts_ms"], change.landed, change.file, position))
        located.change = change
        return located


def located(changes: Iterable[Change], table: str) -> dict[int, list[Located]]:
    """The events of each key in event order. Positions count within a file, as the writer writes them."""
    positions: Counter[tuple[date, str]] = Counter()
    keys: dict[int, list[tuple[Change, int]]] = defaultdict(list)
    for change in changes:
        if change.table == table:
            file = (change.landed, change.file)
            keys[change.row["id"]].append((change, positions[file]))
            positions[file] += 1
    return {
        key: sorted(Located.of(change, position, [rival for rival, _ in events]) for change, position in events)
        for key, events in keys.items()
    }


def duplicates(changes: Iterable[Change], table: str) -> Counter[date]:
    """How many rows of each day repeat the row before them in the event order of their day, key and LSN."""
    counts: Counter[date] = Counter()
    for events in located(changes, table).values():
        previous: dict[date, Row] = {}
        for event in events:
            change = event.change
            if previous.get(change.landed) == change.row:
                counts[change.landed] += 1
            previous[change.landed] = change.row
    return counts


#: The changes of a table by LSN and source time.
Places = dict[Any, list[Change]]


def key_change(places: Places, row: Row) -> int | None:
    """The key that the inserted row had before, when one key alone went where it came, and it alone came."""
    if row["__op"] != "c" or row["__source_lsn"] is None:
        return None
    rows = [change.row for change in places[row["__source_lsn"], row["__source_ts_ms"]]]
    gone = {other["id"] for other in rows if other["__op"] == "d"}
    come = {other["id"] for other in rows if other["__op"] == "c"}
    return gone.pop() if len(gone) == 1 and come == {row["id"]} and gone != come else None


def text_of(places: Places, events: dict[int, list[Located]], row: Row, name: str) -> str | None:
    """What the row says of a text: the placeholder where it says nothing, the old key's text where its key changed."""
    old = key_change(places, row) if row[name] == PLACEHOLDER else None
    if old is None:
        return row[name]
    for event in reversed([event for event in events[old] if event[0] < row["__source_lsn"]]):
        earlier = event.change.row
        text = None if earlier["__op"] == "d" else text_of(places, events, earlier, name)
        if earlier["__op"] != "d" and text != PLACEHOLDER:
            return text
    return None


def state(changes: Iterable[Change], table: str) -> dict[int, Row]:
    """The latest row of each key that is not deleted, placeholders replaced by what they stand for."""
    rows: dict[int, Row] = {}
    of_table = [change for change in changes if change.table == table]
    everything = located(of_table, table)
    places: Places = defaultdict(list)
    for change in of_table:
        places[change.row["__source_lsn"], change.row["__source_ts_ms"]].append(change)
    for key, events in everything.items():
        known: dict[str, Any] = {}
        for event in events:
            row = event.change.row
            if row["__op"] != "d":
                texts = {name: text_of(places, everything, row, name) for name in TEXTS[table]}
                known |= {name: text for name, text in texts.items() if text != PLACEHOLDER}
        last = events[-1].change.row
        if last["__op"] != "d":
            rows[key] = last | {name: known.get(name) for name in TEXTS[table] if last[name] == PLACEHOLDER}
    return rows


def half_up(value: Fraction, places: int) -> Decimal:
    """Rounded half away from zero: the exact quotient has more digits than any context would keep."""
    scaled = value * 10**places
    whole = abs(scaled).__floor__()
    whole += abs(scaled) - whole >= Fraction(1, 2)
    return Decimal(whole if value >= 0 else -whole).scaleb(-places).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def quotient(dividend: Decimal | int, divisor: int, places: int) -> Decimal:
    return half_up(Fraction(dividend) / divisor, places) if divisor else Decimal(0)


def daily_business_metrics(changes: list[Change]) -> list[Row]:
    """The mart's rows, one a date from the first to the last business date."""
    users, orders = state(changes, "users"), state(changes, "orders")
    items = state(changes, "order_items").values()
    if not orders:
        return []
    as_of = max(change.landed for change in changes)
    in_span = (date(2016, 1, 1), as_of.replace(year=as_of.year + 1))
    dates = sorted(day for order in orders.values() if in_span[0] <= (day := order["created_at"].date()) <= in_span[1])
    if not dates:
        return []
    rows = []
    for offset in range((dates[-1] - dates[0]).days + 1):
        day = dates[0] + timedelta(days=offset)
        of_day = {key: order for key, order in orders.items() if order["created_at"].date() == day}
        newcomers = {key for key, user in users.items() if user["created_at"].date() == day}
        purchases = {key: order for key, order in of_day.items() if order["status"] in PURCHASE}
        lines = [item for item in items if item["order_id"] in purchases]
        active = {order["user_id"] for order in of_day.values()} - {None}
        completed = sum(order["status"] in ("shipped", "delivered") for order in of_day.values())
        revenue = sum((Decimal(order["total_amount"] or 0) for order in purchases.values()), Decimal(0))
        from_new = sum(
            (Decimal(order["total_amount"] or 0) for order in purchases.values() if order["user_id"] in newcomers),
            Decimal(0),
        )
        sold = sum(item["quantity"] or 0 for item in lines)
        rows.append(
            {
                "date": day,
                "new_customers": len(active & newcomers),
                "returning_customers": len(active - newcomers),
                "total_active_customers": len(active),
                "total_orders": len(of_day),
                "completed_orders": completed,
                "cancelled_orders": sum(order["status"] == "cancelled" for order in of_day.values()),
                "avg_order_value": quotient(revenue, len(purchases), 2),
                "total_revenue": revenue,
                "revenue_from_new_customers": from_new,
                "revenue_from_returning_customers": revenue - from_new,
                "total_items_sold": sold,
                "unique_products_sold": len({item["product_id"] for item in lines} - {None}),
                "customer_acquisition_rate": quotient(len(active & newcomers), len(active), 4),
                "order_completion_rate": quotient(completed, len(of_day), 4),
                "average_items_per_order": quotient(sold, len(purchases), 2),
            }
        )
    return rows
