"""What a load has planned, and what came of it. Declarations alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.warehouse.load.checksum import Content
from ecommerce_platform.warehouse.load.lake_files import LakeFile
from ecommerce_platform.warehouse.sql.connection import WarehouseError


class LedgerMoved(WarehouseError):
    """Another load changed the ledger after this one had planned; planning again settles it."""


@dataclass(frozen=True)
class LoadedDay:
    """A published day that is in RAW now."""

    table: str
    day: date
    batch_id: str
    snapshot_id: int
    content: Content
    bytes: int
    already_loaded: bool


@dataclass(frozen=True)
class TableLoad:
    """What came of a table's days: loaded ones, those that the lakehouse has not published, and those that failed."""

    table: str
    loaded: tuple[LoadedDay, ...] = ()
    not_published: tuple[date, ...] = ()
    failed: Mapping[date, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class PlannedDay:
    """A published day that is to be loaded. `seen` is the batch id that the load ledger had when that was planned."""

    record: DayRecord
    files: tuple[LakeFile, ...]
    batch_id: str
    seen: str | None
