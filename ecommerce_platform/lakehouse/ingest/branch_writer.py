"""Days written to a branch: their events, their quarantined rows, and what both then hold.

What belongs here: the writing part of an attempt. What does not: judging what was written (audit.py) and
publishing it (attempts.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyiceberg.catalog import Catalog

from ecommerce_platform.contracts import Contract
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import DayRecord, TableLedger, read_table_ledger
from ecommerce_platform.lakehouse.ingest import audit as auditing
from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform.lakehouse.ingest.audit import DayAudit
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.lakehouse.ingest.replaced import Replaced
from ecommerce_platform.lakehouse.ingest.tables import ensure_quarantine_table
from ecommerce_platform.lakehouse.ingest.write import Written, decode_days, write_events


@dataclass(frozen=True)
class BranchWriter:
    """Writes days of one table. `contract` has the extra columns of the table; `replaced` knows what is published of the days."""

    job: Ingest
    catalog: Catalog
    contract: Contract
    replaced: Replaced

    def write(self, branch: str, todo: list[DayArrival]) -> dict[date, DayAudit]:
        """Events to the branch, quarantined rows to quarantine, and what both then hold."""
        lake, contract = self.job.lake, self.contract
        written = write_events(self.job.session(), lake, contract, todo, branch, self.job.run_id, self._reached)
        self._reached("written")
        quarantined = self._quarantine(written, todo)
        self._reached("quarantined")
        table = self.catalog.load_table(lake.events(contract.table))
        snapshot_id = publishing.branch_snapshot(table, branch)
        publishing.require_commits(table, snapshot_id, written.commits)
        counted = auditing.count_days(table, snapshot_id, contract, [arrival.day for arrival in todo])
        snapshots = (publishing.main_snapshot(table), snapshot_id)
        gone = self.replaced.gone(self.job.session, contract, todo, snapshots, quarantined)
        return {
            arrival.day: auditing.measure(arrival, counted, quarantined, written, gone.get(arrival.day))
            for arrival in todo
        }

    def _quarantine(self, written: Written, todo: list[DayArrival]) -> dict[str, int]:
        """Writes the rows that are not events; returns what the table then holds of each content."""
        unfit = [arrival for arrival in todo if arrival.day in written.unfit_days]
        if not unfit:
            return {}
        lake, contract, run_id = self.job.lake, self.contract, self.job.run_id
        contents = [arrival.content_id for arrival in unfit]
        table = ensure_quarantine_table(self.catalog, lake, contract)
        if written.unfit_rows is not None:
            by_day = Counter(row["date"] for row in written.unfit_rows)
            expected = {arrival.content_id: by_day[arrival.day] for arrival in unfit}
            if (present := quarantine.count(table, contents)) == expected:
                return present
            quarantine.write_rows(table, unfit, written.unfit_rows, run_id)
        else:
            frames = decode_days(self.job.session(), contract, unfit)
            quarantine.write_frames(lake, contract, unfit, frames, run_id)
        return quarantine.count(ensure_quarantine_table(self.catalog, lake, contract), contents)

    def _reached(self, step: str) -> None:
        self.job.reached(self.contract.table, step)


def drop_old_quarantine(
    catalog: Catalog, lake: Lake, contract: Contract, before: TableLedger, records: Sequence[DayRecord]
) -> None:
    """Drops quarantined rows of content that these days no longer have; after publishing, so that a crash keeps both."""
    old = {
        record.content_id
        for day in {record.day for record in records}
        for record in (before.published.get(day), before.refused.get(day))
        if record and record.content_id
    } - {record.content_id for record in records}
    now = read_table_ledger(contract.table, catalog.load_table(lake.events(contract.table)))
    old = {content for content in old if not now.knows(content)}
    if old:
        quarantine.drop(ensure_quarantine_table(catalog, lake, contract), sorted(old))
