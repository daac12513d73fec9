"""What an ingestion is asked for, and what became of a table's days.

What belongs here: both as values. What does not: the steps (ingestion.py, attempts.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import SparkSession

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.days.ledger import DayRecord, RefusedDay

#: What a table's days reach, in this order; `quarantined` is reached only where rows are.
STEPS = ("branched", "written", "audited", "published")


@dataclass(frozen=True)
class TableResult:
    """What became of a table's days. `published` were written now, `unchanged` were published with the same content before, or
    are `retained`: published, and so old that landing need not keep their files.
    """

    table: str
    published: Mapping[date, DayRecord]
    unchanged: Mapping[date, DayRecord]
    refused: Mapping[date, RefusedDay]
    warnings: Mapping[date, str]
    unknown_columns: Mapping[date, tuple[str, ...]]
    epoch_units: Mapping[date, Mapping[str, str]]
    snapshot_id: int
    seconds: float
    retained: tuple[date, ...] = ()

    @property
    def records(self) -> dict[date, DayRecord]:
        """The ledger's records of the days that are published, whether now or before."""
        return dict(sorted({**self.unchanged, **self.published}.items()))


@dataclass(frozen=True)
class Ingest:
    """One ingestion: where, with what, and under which name. `reached` is called with each step; `session` starts Spark."""

    lake: Lake
    intake: Intake
    session: Callable[[], SparkSession]
    run_id: str
    force: bool = False
    reached: Callable[[str, str], None] = lambda table, step: None
    contracts: Mapping[str, Contract] = field(default_factory=load_contracts)
