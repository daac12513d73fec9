"""The attempts to publish a table's days: the order of the steps, and what happens when one of them finds trouble.

What belongs here: the sequence scan, write, audit, publish, and which days are refused. What does not: the steps themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.arrived.arrivals import Arrivals, DayArrival, files_moved, scan
from ecommerce_platform.lakehouse.arrived.unreadable import (
    PLANNING_ERRORS,
    SPARK_ERRORS,
    cause_of,
    is_of_the_machine,
    unreadable_files,
)
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import (
    EMPTY,
    AuditedCounts,
    DayRecord,
    PublicationByHand,
    RefusedDay,
    TableLedger,
    read_table_ledger,
)
from ecommerce_platform.lakehouse.decode.evolution import merged
from ecommerce_platform.lakehouse.errors import DayRefusedError, PublishConflictError
from ecommerce_platform.lakehouse.ingest.audit import (
    DayAudit,
    audited_counts,
    day_record,
    empty_audit,
    may_be_overruled,
    verdict,
    volume_warning,
)
from ecommerce_platform.lakehouse.ingest.branch_writer import BranchWriter, drop_old_quarantine
from ecommerce_platform.lakehouse.ingest.job import Ingest, TableResult
from ecommerce_platform.lakehouse.ingest.replaced import Replaced
from ecommerce_platform.lakehouse.ingest.tables import add_extra_columns, with_extra_columns


class Attempts:
    """One table's way through the attempts."""

    def __init__(self, job: Ingest, contract: Contract, catalog: Catalog, days: list[date]) -> None:
        self.job, self.contract, self.catalog, self.days = job, contract, catalog, days
        self.attempts = 0
        #: Whether days are written each by itself, because together they failed and no file is to blame.
        self.one_by_one = False
        self.failed_alone: dict[date, Exception] = {}
        self.refused: dict[date, RefusedDay] = {}
        self.published: dict[date, DayRecord] = {}
        self.arrivals = Arrivals({}, {})
        self.before: TableLedger | None = None
        self.ledger = EMPTY
        #: The contract with the extra columns of the table, by which rows are decoded and written.
        self.decoded = contract
        #: Days without files that landing may have emptied: what is published of them stays.
        self.retained: set[date] = set()

    @property
    def identifier(self) -> str:
        return self.job.lake.events(self.contract.table)

    def attempt(self) -> bool:
        """Tries to publish what is left to publish; False when it must be tried again."""
        self.attempts += 1
        self.arrivals = scan(self.job.intake, self.contract, self.days)
        for day, refusal in self.arrivals.refused.items():
            self.refused.setdefault(day, self._refusal(day, refusal.reason))
        table = self.catalog.load_table(self.identifier)
        self.ledger = read_table_ledger(self.contract.table, table)
        self.before = self.before or self.ledger
        replaced = self._replaced()
        todo = [
            arrival
            for day, arrival in self.arrivals.days.items()
            if day not in self.refused and (self.job.force or not replaced.is_published(arrival))
        ]
        self.retained = {arrival.day for arrival in todo if replaced.is_retained(arrival)}
        todo = [arrival for arrival in todo if arrival.day not in self.retained]
        emptied = [arrival for arrival in todo if replaced.is_emptied(arrival)]
        if emptied:
            return self._refuse_emptied(replaced, emptied, table)
        if self.one_by_one:
            todo = [item for item in todo if item.day not in self.published and item.day not in self.failed_alone][:1]
        if not todo:
            self._refuse_failed_alone()
            return True
        return self._attempt(table, todo) and not self.one_by_one

    def _attempt(self, table: Table, todo: list[DayArrival]) -> bool:
        if not any(arrival.rows for arrival in todo):
            return self._publish_empty(table, todo)
        todo = self._take_extra_columns(table, todo)
        return self._write_audit_publish(self.catalog.load_table(self.identifier), todo) if todo else True

    def _take_extra_columns(self, table: Table, todo: list[DayArrival]) -> list[DayArrival]:
        """Brings the table the columns that the days have beyond the contract; refuses days whose types it cannot follow."""
        extra = with_extra_columns(self.contract, table).extra
        taken = []
        for arrival in todo:
            try:
                extra = merged(extra, arrival.extra)
                taken.append(arrival)
            except DayRefusedError as error:
                self.refused[arrival.day] = self._refusal(
                    arrival.day, f"{arrival.table}, {arrival.day}: {error}", arrival.content_id
                )
        table = add_extra_columns(self.catalog, table, self.contract, extra)
        self.decoded = with_extra_columns(self.contract, table)
        return taken

    def _replaced(self) -> Replaced:
        return Replaced(self.job.lake, self.contract, self.ledger, self.job.intake.section.retention_days)

    def _refuse_emptied(self, replaced: Replaced, days: list[DayArrival], table: Table) -> bool:
        """Days that have no rows any more and of which events are published: refused with an empty day on their branch."""
        standing = {arrival.day: replaced.standing_refusal(arrival, table) for arrival in days}
        self.refused.update({day: old for day, old in standing.items() if old})
        new = [arrival for arrival in days if not standing[arrival.day]]
        if not new:
            return False
        branch, run_id = publishing.audit_branch(self.job.run_id, self.attempts), self.job.run_id
        try:
            on = [arrival.day for arrival in new]
            snapshot_id, gone = replaced.write_emptied(self.catalog, branch, on, run_id)
        except PublishConflictError:
            return False
        refusals = self._judge({item.day: replace(empty_audit(item), gone=gone[item.day]) for item in new}, new)
        publishing.record_refusals(self.catalog, table, refusals, snapshot_id, drop=branch)
        self.refused.update({refusal.day: refusal for refusal in refusals})
        return False

    def _publish_empty(self, table: Table, todo: list[DayArrival]) -> bool:
        """Days without rows, now and before: the ledger says so, there is nothing to write."""
        head = publishing.main_snapshot(table)
        records = [self._record(arrival, head, empty_audit(arrival)) for arrival in todo]
        try:
            publishing.publish_in_place(self.catalog, table, head, records)
        except PublishConflictError:
            return False
        self.published.update({record.day: record for record in records})
        return True

    def _write_audit_publish(self, table: Table, todo: list[DayArrival]) -> bool:
        branch = publishing.audit_branch(self.job.run_id, self.attempts)
        publishing.start_branch(self.catalog, table, branch)
        self._reached("branched")
        try:
            audits = BranchWriter(self.job, self.catalog, self.decoded, self._replaced()).write(branch, todo)
        except PublishConflictError:
            return False
        except (*SPARK_ERRORS, *PLANNING_ERRORS) as error:
            if branch not in self.catalog.load_table(self.identifier).metadata.refs:
                return False  # another publication dropped the branch while this job was writing
            publishing.drop_branch(self.catalog, table, branch)
            if not files_moved(self.job.intake.zone, todo) and not self._refuse_unreadable(todo, error):
                raise
            return False
        if files_moved(self.job.intake.zone, todo):
            publishing.drop_branch(self.catalog, table, branch)
            return False
        table = self.catalog.load_table(self.identifier)
        try:
            snapshot_id = publishing.branch_snapshot(table, branch)
        except PublishConflictError:
            return False
        refusals = self._judge(audits, todo)
        self._reached("audited")
        if refusals:
            publishing.record_refusals(self.catalog, table, refusals, snapshot_id, drop=branch)
            self.refused.update({refusal.day: refusal for refusal in refusals})
            return False
        return self._publish(table, branch, snapshot_id, todo, audits)

    def _judge(self, audits: Mapping[date, DayAudit], todo: list[DayArrival]) -> list[RefusedDay]:
        refusals = []
        for arrival in todo:
            audit = audits[arrival.day]
            reason = verdict(audit, self.job.intake.section.max_quarantined_share)
            decided = self._by_hand(arrival) and may_be_overruled(audit) and not audit.gone
            if reason and not decided:
                branch = publishing.refused_branch(arrival.day.isoformat(), arrival.content_id)
                counts = audited_counts(audit, arrival)
                refusals.append(self._refusal(arrival.day, reason, arrival.content_id, branch, counts))
        return refusals

    def _by_hand(self, arrival: DayArrival) -> PublicationByHand | None:
        """A person's decision for this very content stays in force when the same content is written again."""
        record = self.ledger.published.get(arrival.day)
        return record.by_hand if record and record.content_id == arrival.content_id else None

    def _publish(
        self, table: Table, branch: str, snapshot_id: int, todo: list[DayArrival], audits: Mapping[date, DayAudit]
    ) -> bool:
        records = [self._record(arrival, snapshot_id, audits[arrival.day]) for arrival in todo]
        try:
            publishing.publish(self.catalog, table, snapshot_id, records, seen=self.ledger.refused)
        except PublishConflictError:
            publishing.drop_branch(self.catalog, table, branch)
            return False
        self._reached("published")
        self.published.update({record.day: record for record in records})
        if self.before is not None:
            drop_old_quarantine(self.catalog, self.job.lake, self.contract, self.before, records)
        return True

    def _refuse_unreadable(self, todo: list[DayArrival], error: Exception) -> bool:
        """Refuses every day that made the writing job fail; False when none did.

        Each file is read by itself. Where none of them fails so, the days are written one by one, and one that fails alone,
        while others go through, is refused with the cause.
        """
        if is_of_the_machine(error):
            return False
        bad = unreadable_files(self.job.session(), self.decoded, todo)
        for day, reasons in bad.items():
            self.refused[day] = self._refusal(day, "; ".join(reasons), self.arrivals.days[day].content_id)
        if bad:
            return True
        if len(todo) > 1:
            self.one_by_one = True
        elif self.one_by_one:
            self.failed_alone[todo[0].day] = error
        return self.one_by_one

    def _refuse_failed_alone(self) -> None:
        """Refuses the days that failed alone while others went through; where none did, the days are not to blame."""
        for day, error in self.failed_alone.items():
            if not self.published:
                raise error
            reason = (
                f"{self.contract.table}, {day}: it cannot be written, while other days can: {cause_of(error)}; expected a "
                "day that can: compare its files with those of another day, then materialize the day again"
            )
            self.refused[day] = self._refusal(day, reason, self.arrivals.days[day].content_id)

    def record_refusals(self) -> None:
        """Writes refusals that are not in the ledger yet, and lifts those that the last attempt saw and whose files are again
        what is published.
        """
        table = self.catalog.load_table(self.identifier)
        ledger = read_table_ledger(self.contract.table, table)
        new = [refusal for day, refusal in self.refused.items() if ledger.refused.get(day) != refusal]
        if new:
            publishing.record_refusals(self.catalog, table, new)
        seen = self.ledger.refused
        lifted = [seen[day] for day in self.days if day in seen and day not in self.refused]
        if lifted:
            publishing.lift_refusals(self.catalog, table, lifted)

    def result(self, seconds: float) -> TableResult:
        table = self.catalog.load_table(self.identifier)
        ledger = read_table_ledger(self.contract.table, table)
        mine = {day: record for day, record in ledger.published.items() if day in self.days}
        warnings = {
            day: volume_warning(ledger.published, day, arrival.rows)
            for day, arrival in self.arrivals.days.items()
            if day not in self.retained
        }
        return TableResult(
            table=self.contract.table,
            published={day: record for day, record in mine.items() if day in self.published},
            unchanged={day: record for day, record in mine.items() if day not in self.published},
            refused=dict(sorted(self.refused.items())),
            warnings={day: warning for day, warning in warnings.items() if warning},
            unknown_columns={
                day: arrival.unknown_columns for day, arrival in self.arrivals.days.items() if arrival.unknown_columns
            },
            epoch_units={
                day: arrival.epoch_units for day, arrival in self.arrivals.days.items() if arrival.epoch_units
            },
            snapshot_id=publishing.main_snapshot(table),
            seconds=seconds,
            retained=tuple(sorted(self.retained)),
        )

    def _record(self, arrival: DayArrival, snapshot_id: int, audit: DayAudit) -> DayRecord:
        withhold = self.job.intake.unknown_columns == "withhold"
        return day_record(arrival, audit, snapshot_id, self.job.run_id, self._by_hand(arrival), withhold)

    def _refusal(
        self, day: date, reason: str, content_id: str = "", branch: str = "", audited: AuditedCounts | None = None
    ) -> RefusedDay:
        return RefusedDay(self.contract.table, day, reason, content_id, branch, self.job.run_id, audited)

    def _reached(self, step: str) -> None:
        self.job.reached(self.contract.table, step)
