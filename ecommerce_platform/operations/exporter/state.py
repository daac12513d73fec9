"""What the exporter shows of the platform's own tables, as one frozen value. What does not belong here: asking (tables.py)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date


@dataclass(frozen=True)
class Model:
    """A dbt model: its name in dbt, the asset that it is in Dagster, and its materialization."""

    name: str
    asset: str
    materialization: str


@dataclass(frozen=True)
class Known:
    """What the code location declares: series that exist before anything has happened to them."""

    models: tuple[Model, ...] = ()
    jobs: tuple[str, ...] = ()
    #: Asset and name of each check.
    checks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class IcebergTable:
    """Size of one Iceberg table: snapshots kept, data files and bytes of the current one."""

    name: str
    snapshots: int
    data_files: int
    bytes: int


@dataclass(frozen=True)
class TableDays:
    """How far one source table has come: the last day that landed, that is published, that is loaded; how many days have landed
    and are not loaded; and what was refused.
    """

    table: str
    landed: date | None
    published: date | None
    loaded: date | None
    quarantined_rows: int
    refused_days: int
    waiting_days: int = 0


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

    def with_gaps_from(self, before: PlatformState) -> PlatformState:
        """This look, with what could not be read now as it was read last: a source that cannot be reached is not an empty one."""
        kept = {
            name: getattr(before, name) for source, names in READ_FROM.items() if self._lacks(source) for name in names
        }
        return replace(self, **kept)

    def _lacks(self, source: str) -> bool:
        return any(problem.startswith(source) for problem in self.problems)


#: Which fields come from which source; `problems` begin with the source's name.
READ_FROM = {
    "snowflake": (
        "days",
        "discrepancies",
        "open_findings",
        "verified_through",
        "convergence_seconds",
        "not_converged_days",
    ),
    "raw.load_ledger": ("days",),
    "lakehouse": ("days", "iceberg"),
    "reconciliation (worst)": ("discrepancies",),
    "reconciliation (findings)": ("open_findings",),
    "reconciliation (verified)": ("verified_through",),
    "reconciliation (days)": ("convergence_seconds", "not_converged_days"),
}
