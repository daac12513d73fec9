"""What the exporter shows of the platform's own tables, as one frozen value. What does not belong here: asking (tables.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class IcebergTable:
    """Size of one Iceberg table: snapshots kept, data files and bytes of the current one."""

    name: str
    snapshots: int
    data_files: int
    bytes: int


@dataclass(frozen=True)
class TableDays:
    """How far one source table has come: the last day that landed, that is published, that is loaded; and what was refused."""

    table: str
    landed: date | None
    published: date | None
    loaded: date | None
    quarantined_rows: int
    refused_days: int


@dataclass(frozen=True)
class Discrepancy:
    """The newest reconciliation of a metric and tier: the share by which the layers differ on the worst date, and where."""

    metric: str
    user_tier: str
    share: float
    day: date


@dataclass(frozen=True)
class PlatformState:
    """One look at the tables. `problems` names what could not be read: a source that is away must be seen, not hidden."""

    days: tuple[TableDays, ...] = ()
    iceberg: tuple[IcebergTable, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    open_findings: dict[str, int] = field(default_factory=dict)
    verified_through: date | None = None
    convergence_seconds: dict[date, float] = field(default_factory=dict)
    not_converged_days: int = 0
    problems: tuple[str, ...] = ()
