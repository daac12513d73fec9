"""What the steps of a reconciliation hand to each other: frozen values.

What belongs here: dataclasses, enumerations and the room's exception. What does not: SQL, clients and verdicts.

All times are aware and in UTC, all money is Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

#: The tier of an order whose user the batch layer does not know.
UNKNOWN_TIER = "unknown"
#: The label of the figures over all customers.
ALL_TIERS = "all"

Value = int | str | bool | Decimal | date | datetime | None


class FailOn(StrEnum):
    """What makes `reconcile` end with exit code 1."""

    NEVER = "never"
    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"
    ERROR = "error"
    WARN = "warn"


class ReconciliationError(RuntimeError):
    """The two layers cannot be compared; the message says what is missing and what to do."""


class Reason(StrEnum):
    """Why an order differs. LAG is not a discrepancy."""

    MISSING_IN_SPEED = "missing_in_speed"
    MISSING_IN_BATCH = "missing_in_batch"
    DELETED_IN_SPEED = "deleted_in_speed"
    DELETED_IN_BATCH = "deleted_in_batch"
    AMOUNT = "amount"
    ROUNDING = "rounding"
    STATUS_BEHIND = "status_behind"
    STATUS_AHEAD = "status_ahead"
    IMPOSSIBLE_STATUS_MOVE = "impossible_status_move"
    DUPLICATE = "duplicate"
    TIME_SHIFT_WHOLE_HOURS = "time_shift_whole_hours"
    OTHER = "other"
    LAG = "lag"


class State(StrEnum):
    """Where a discrepancy stands: seen once, seen again after the lag window, or gone."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    HEALED = "healed"


class Status(StrEnum):
    """Verdict of one metric."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class OrderVersion:
    """What one layer says of an order.

    `lsn` is the effective one (docs/definitions.md): a snapshot row without an LSN has that of the event it stands after.
    `values` are the business columns without the key; None when the layer shows no such order. `deleted` marks a known
    deletion from plain absence. `rivals` are other contents that the speed layer holds at the same, newest LSN.
    """

    order_id: int
    lsn: int | None
    event_time: datetime | None
    values: Mapping[str, Value] | None
    deleted: bool = False
    rivals: tuple[Mapping[str, Value], ...] = ()

    @property
    def shown(self) -> bool:
        return self.values is not None


@dataclass(frozen=True)
class BatchEvent:
    """One change event of an order that the batch layer has applied, with where it came from.

    `lsn` is the event's own; `effective_lsn` the one by which it stands among the order's events (docs/definitions.md).
    """

    order_id: int
    op: str
    lsn: int | None
    event_time: datetime | None
    values: Mapping[str, Value]
    landing_date: date
    source_file: str
    source_row: int
    batch_id: str
    snapshot_id: int | None = None
    effective_lsn: int | None = None

    @property
    def deletes(self) -> bool:
        return self.op == "DELETE"


@dataclass(frozen=True)
class Cell:
    """Orders of one user on one business date in one layer: what can be added and taken away exactly.

    `figures` are those of `daily_metrics.all_measures`, in its order: counts are int, totals Decimal.
    """

    date: date
    user_id: int | None
    figures: tuple[int | Decimal, ...]

    @property
    def orders(self) -> int | Decimal:
        return self.figures[0]


#: The reconciled metrics of one date and tier in one layer, by name; one that is not in it is 0.
MetricValues = Mapping[str, Decimal]


@dataclass(frozen=True)
class Measurement:
    """Both layers' figures by (business date, tier), with the population that they cover."""

    cut_off: datetime | None
    dates: tuple[date, ...]
    speed: Mapping[tuple[date, str], MetricValues]
    batch: Mapping[tuple[date, str], MetricValues]
    lagging: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricVerdict:
    """One metric of one date and tier, judged. Shares, not percents: 0.05 is 5 %."""

    date: date
    metric: str
    user_tier: str
    speed_value: Decimal
    batch_value: Decimal
    difference: Decimal
    percentage_difference: Decimal
    tolerance: Decimal
    failure: Decimal
    status: Status

    @property
    def within_tolerance(self) -> bool:
        return self.status is Status.OK


@dataclass(frozen=True)
class Finding:
    """An order that differs, why, and where its batch version came from."""

    order_id: int
    date: date
    reason: Reason
    columns: tuple[str, ...]
    speed_value: str | None
    batch_value: str | None
    detail: str = ""
    speed_lsn: int | None = None
    batch_lsn: int | None = None
    speed_event_time: datetime | None = None
    batch_event_time: datetime | None = None
    lineage: BatchEvent | None = None


@dataclass(frozen=True)
class Discrepancy:
    """A finding's life over reconciliations: one row an episode, from first seen to healed."""

    finding: Finding
    state: State
    first_seen: datetime
    last_seen: datetime
    first_run_id: str
    run_id: str
    healed_at: datetime | None = None
