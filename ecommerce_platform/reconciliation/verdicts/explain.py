"""Why does an order differ? A pure function of what both layers say of it and of the batch layer's history.

What belongs here: reasons, the values shown for them, and their order of precedence. What does not: finding the orders
(locate.py), and what becomes of a finding over time (converge.py).

What never is a discrepancy: equal values, whatever the versions; deleted on one side and absent on the other; a speed version
that is newer than the batch's and happened after the cut-off (lag). Everything else is one, with exactly one reason:

1. shown on one side only: missing, or deleted when the other side holds the deletion;
2. rivals: the speed layer holds other contents at the same newest LSN, so which one it shows is chance;
3. a stale version (the speed layer shows an earlier event of the order): by what the later events changed, status first;
4. the amount: rounding within a cent, else amount; money comes before status, because it is what adds up wrongly;
5. the status, by what moves are possible;
6. times that are off by the same whole hours and nothing else: a time zone;
7. other columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ecommerce_platform.metrics import CANCELLED, COMPLETED_STATUSES, DELIVERED, PENDING, REVENUE_STATUSES
from ecommerce_platform.reconciliation.model import BatchEvent, Finding, OrderVersion, Reason, Value

#: The road of an order; from any but the last stop it can be cancelled instead.
_ROAD = (PENDING, *REVENUE_STATUSES)
_MOVES = {status: {*_ROAD[place + 1 :], CANCELLED} for place, status in enumerate(_ROAD[:-1])}
_MOVES |= {DELIVERED: set(), CANCELLED: set()}
#: Offsets of time zones lie between UTC−12 and UTC+14.
_WIDEST_OFFSET = timedelta(hours=14)
_A_CENT = Decimal("0.01")
_HOUR = timedelta(hours=1)

assert set(COMPLETED_STATUSES) < set(_ROAD)


def explain(
    speed: OrderVersion | None,
    batch: OrderVersion | None,
    compared: Sequence[str],
    cut_off: datetime | None,
    history: Sequence[BatchEvent] = (),
    personal: frozenset[str] = frozenset(),
) -> Finding | None:
    """Why the layers differ on an order, or None when they agree.

    `compared` are the columns that count; `history` the batch layer's events of the order, oldest first; values of
    `personal` columns are not written into the finding. Raises nothing: two absent versions agree.
    """
    columns = differing_columns(speed, batch, compared)
    if columns is None:
        return None
    reason = _reason(speed, batch, columns, cut_off, history)
    present = speed or batch
    assert present is not None
    last = history[-1] if history else None
    return Finding(
        order_id=present.order_id,
        date=business_date(speed, batch, last),
        reason=reason,
        columns=columns,
        speed_value=_text(speed, reason, columns, personal),
        batch_value=_text(batch, reason, columns, personal),
        detail=_detail(speed, batch, reason, columns, history),
        speed_lsn=speed.lsn if speed else None,
        batch_lsn=batch.lsn if batch else None,
        speed_event_time=speed.event_time if speed else None,
        batch_event_time=batch.event_time if batch else None,
        lineage=last,
    )


def differing_columns(
    speed: OrderVersion | None, batch: OrderVersion | None, compared: Sequence[str]
) -> tuple[str, ...] | None:
    """The columns that differ; empty when one side only shows the order; None when the layers agree."""
    left, right = _values(speed), _values(batch)
    if left is None or right is None:
        return None if left is right else ()
    columns = tuple(name for name in compared if left.get(name) != right.get(name))
    return columns or None


def is_lag(speed: OrderVersion | None, batch: OrderVersion | None, cut_off: datetime | None) -> bool:
    """Whether the speed layer is merely ahead: newer than the batch's version, and after the cut-off."""
    if speed is None or speed.event_time is None:
        return False
    after = cut_off is None or speed.event_time > cut_off
    return after and (batch is None or batch.lsn is None or (speed.lsn or 0) > batch.lsn)


def business_date(speed: OrderVersion | None, batch: OrderVersion | None, last: BatchEvent | None = None) -> date:
    """Date of the order's creation: the batch layer's word, else the speed layer's, else the day of its last change."""
    for values in (_values(batch), _values(speed), last.values if last else None):
        created = values.get("created_at") if values else None
        if isinstance(created, datetime):
            return created.date()
    times = [version.event_time for version in (batch, speed) if version and version.event_time]
    return times[0].date() if times else date(1970, 1, 1)


def _values(version: OrderVersion | None) -> Mapping[str, Value] | None:
    return version.values if version else None


def _reason(
    speed: OrderVersion | None,
    batch: OrderVersion | None,
    columns: tuple[str, ...],
    cut_off: datetime | None,
    history: Sequence[BatchEvent],
) -> Reason:
    if is_lag(speed, batch, cut_off):
        return Reason.LAG
    if speed is None or speed.values is None:
        return Reason.DELETED_IN_SPEED if speed and speed.deleted else Reason.MISSING_IN_SPEED
    if batch is None or batch.values is None:
        return Reason.DELETED_IN_BATCH if batch and batch.deleted else Reason.MISSING_IN_BATCH
    if speed.rivals:
        return Reason.DUPLICATE
    return _reason_of_values(speed, batch, columns, history)


def _reason_of_values(
    speed: OrderVersion, batch: OrderVersion, columns: tuple[str, ...], history: Sequence[BatchEvent]
) -> Reason:
    assert speed.values is not None
    assert batch.values is not None
    moved = "status" in columns
    if moved and stale_event(speed, columns, history):
        return Reason.STATUS_BEHIND
    if "total_amount" in columns:
        return _amount_reason(speed.values.get("total_amount"), batch.values.get("total_amount"))
    if moved:
        return _status_reason(speed.values.get("status"), batch.values.get("status"))
    if _shifted_by_whole_hours(speed.values, batch.values, columns):
        return Reason.TIME_SHIFT_WHOLE_HOURS
    return Reason.OTHER


def stale_event(speed: OrderVersion, columns: Sequence[str], history: Sequence[BatchEvent]) -> BatchEvent | None:
    """The earlier event of the order that the speed layer still shows, when it shows one: its LSN and differing values."""
    for event in history[:-1]:
        # A snapshot row without an LSN is kept with the one that it stands after, or with 0.
        known_by = (event.lsn or 0, event.effective_lsn or 0)
        if event.deletes or speed.values is None or (speed.lsn or 0) not in known_by:
            continue
        if all(event.values.get(name) == speed.values.get(name) for name in columns):
            return event
    return None


def _amount_reason(speed: Value, batch: Value) -> Reason:
    if isinstance(speed, Decimal) and isinstance(batch, Decimal) and abs(speed - batch) <= _A_CENT:
        return Reason.ROUNDING
    return Reason.AMOUNT


def _status_reason(speed: Value, batch: Value) -> Reason:
    if batch in _MOVES.get(str(speed), set()):
        return Reason.STATUS_BEHIND
    if speed in _MOVES.get(str(batch), set()):
        return Reason.STATUS_AHEAD
    return Reason.IMPOSSIBLE_STATUS_MOVE


def _shifted_by_whole_hours(speed: Mapping[str, Value], batch: Mapping[str, Value], columns: tuple[str, ...]) -> bool:
    shifts = set()
    for name in columns:
        left, right = speed.get(name), batch.get(name)
        if not isinstance(left, datetime) or not isinstance(right, datetime):
            return False
        shifts.add(left - right)
    if len(shifts) != 1:
        return False
    shift = shifts.pop()
    return shift % _HOUR == timedelta(0) and abs(shift) <= _WIDEST_OFFSET


_COLUMN_OF = {
    Reason.AMOUNT: "total_amount",
    Reason.ROUNDING: "total_amount",
    Reason.STATUS_BEHIND: "status",
    Reason.STATUS_AHEAD: "status",
    Reason.IMPOSSIBLE_STATUS_MOVE: "status",
}


def _text(
    version: OrderVersion | None, reason: Reason, columns: tuple[str, ...], personal: frozenset[str]
) -> str | None:
    """What a layer shows, as far as it matters: the column of the reason, or the differing ones, or status and amount."""
    values = _values(version)
    if values is None:
        return None
    if (single := _COLUMN_OF.get(reason)) is not None:
        return plain(values.get(single))
    shown = columns or ("status", "total_amount")
    parts = [f"{name}={'(personal)' if name in personal else plain(values.get(name))}" for name in shown]
    return parts[0].partition("=")[2] if len(parts) == 1 else ", ".join(parts)


def plain(value: Value) -> str | None:
    """A value as people write it: times in UTC without offset, decimals with their places."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    return None if value is None else str(value)


def _detail(
    speed: OrderVersion | None,
    batch: OrderVersion | None,
    reason: Reason,
    columns: tuple[str, ...],
    history: Sequence[BatchEvent],
) -> str:
    if reason is Reason.DUPLICATE and speed:
        return f"{len(speed.rivals) + 1} different contents at LSN {speed.lsn}; differs in {', '.join(columns)}"
    if not columns:
        return ""
    parts = [f"differs in {', '.join(columns)}"]
    if speed and batch and (event := stale_event(speed, columns, history)):
        parts.append(f"the speed layer still shows the version of {event.landing_date} (LSN {event.lsn})")
    return "; ".join(parts)
