"""Days that are to replace what is published of them: which of its events they lack, and days that lost all of their rows.

What belongs here: the comparison of one table's days, with Spark only where there are rows. What does not: how events are
compared and what a refusal says (absence.py), and the order of the steps (job.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyspark.sql import SparkSession

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival
from ecommerce_platform.lakehouse.days import absence
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.absence import Gone
from ecommerce_platform.lakehouse.days.day_files import replace_days
from ecommerce_platform.lakehouse.days.ledger import RefusedDay, TableLedger
from ecommerce_platform.lakehouse.ingest.write import decode_days
from ecommerce_platform.landing.emptied import past_retention


@dataclass(frozen=True)
class Replaced:
    """What one state of a table's ledger says of days that arrive again."""

    lake: Lake
    contract: Contract
    ledger: TableLedger
    retention_days: int | None

    def events(self, day: date) -> int:
        """How many events are published of the day."""
        record = self.ledger.published.get(day)
        return record.published if record else 0

    def is_published(self, arrival: DayArrival) -> bool:
        """Whether the day is published with this very content."""
        record = self.ledger.published.get(arrival.day)
        return record is not None and record.content_id == arrival.content_id

    @property
    def past_retention(self) -> Callable[[date], bool]:
        """Whether landing need not keep a day any more."""
        return past_retention(self.ledger.published, self.retention_days)

    def is_retained(self, arrival: DayArrival) -> bool:
        """Whether the day has no files because landing need not keep them: what is published of it stays."""
        return not arrival.files and bool(self.events(arrival.day)) and self.past_retention(arrival.day)

    def is_emptied(self, arrival: DayArrival) -> bool:
        """Whether the day has no rows any more, and events are published of it."""
        return not arrival.rows and bool(self.events(arrival.day))

    def standing_refusal(self, arrival: DayArrival, table: Table) -> RefusedDay | None:
        """The refusal of an emptied day that says already what this one would."""
        old = self.ledger.refused.get(arrival.day)
        if old is None or old.content_id != arrival.content_id or old.branch not in table.metadata.refs:
            return None
        return old if old.audited and old.audited.gone == self.events(arrival.day) else None

    def write_emptied(
        self, catalog: Catalog, branch: str, days: Sequence[date], run_id: str
    ) -> tuple[int, dict[date, Gone]]:
        """Empties the days on a branch that starts at `main`, without Spark. Returns the branch's snapshot and what is gone.

        Raises PublishConflictError when another writer came first.
        """
        name = self.lake.events(self.contract.table)
        publishing.start_branch(catalog, catalog.load_table(name), branch)
        table = catalog.load_table(name)
        snapshot_id = replace_days(table, branch, days, None, {"ecommerce.run-id": run_id})
        gone = absence.emptied(table, self.contract, [self.ledger.published[day] for day in days])
        return snapshot_id, self._noted(gone)

    def gone(
        self,
        session: Callable[[], SparkSession],
        decoded: Contract,
        arrivals: Sequence[DayArrival],
        snapshots: tuple[int, int],
        quarantined: Mapping[str, int],
    ) -> dict[date, Gone]:
        """Events that the published snapshot has and the written one lacks.

        Only days that are published with events are compared. `decoded` is the contract by which the days were written,
        `quarantined` counts rows by content.
        """
        replaced = [arrival for arrival in arrivals if self.events(arrival.day)]
        if not replaced:
            return {}
        spark = session()
        unfit = decode_days(spark, decoded, [arrival for arrival in replaced if quarantined.get(arrival.content_id)])
        name = self.lake.in_spark(self.lake.events(self.contract.table))
        days = [arrival.day for arrival in replaced]
        return self._noted(absence.gone_events(spark, name, decoded, days, snapshots, unfit))

    def _noted(self, gone: Mapping[date, Gone]) -> dict[date, Gone]:
        return absence.add_note(gone, self.past_retention, absence.retention_note(self.retention_days))
