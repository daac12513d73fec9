"""Landing files of days that landing need not keep any more, removed where the settings ask for it.

What belongs here: which days, and removing their files. What does not: the rule of retention (landing/emptied.py), and what a
run says of a day whose files are gone (absence.py).

A day's files go only when they are what is published of it: a late file that no run has read stays, and so does a refused day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecommerce_platform.contracts import Contract, load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake, list_landing, listing_of, scan
from ecommerce_platform.lakehouse.days.ledger import TableLedger, read_ledger
from ecommerce_platform.landing.emptied import past_retention
from ecommerce_platform.landing.files import LandingFile, LandingZone, list_days
from ecommerce_platform.settings.addresses import store_path


def remove_expired_landing(lake: Lake, intake: Intake, dry_run: bool = False) -> list[str]:
    """Removes the files of days past `landing.retention_days` where `landing.remove_expired` is set; one line for each day."""
    if not intake.section.remove_expired:
        return []
    ledgers = read_ledger(lake)
    return [
        line
        for table, contract in load_contracts().items()
        for line in _of_table(intake, contract, ledgers[table], dry_run)
    ]


def _of_table(intake: Intake, contract: Contract, ledger: TableLedger, dry_run: bool) -> Iterator[str]:
    expired = past_retention(ledger.published, intake.section.retention_days)
    zone = intake.zone
    days = list_days(zone, contract.table)
    due = [day for day in days if day in ledger.published and day not in ledger.refused and expired(day)]
    if not due:
        return
    listed = list_landing(zone, contract.table, due)
    arrivals = scan(intake, contract, due)
    for day in due:
        where, arrival = f"landing {contract.table}, {day}", arrivals.days.get(day)
        if arrival is None or arrival.content_id != ledger.published[day].content_id:
            yield f"{where}: kept, its files are not what is published; materialize the day"
        elif listing_of(listed[day]) != arrival.listing:
            yield f"{where}: kept, its files change at this moment"
        else:
            if not dry_run:
                _delete(zone, listed[day])
            yield f"{where}: {'would remove' if dry_run else 'removed'} {len(listed[day])} files"


def _delete(zone: LandingZone, files: Sequence[LandingFile]) -> None:
    store = zone.filesystem()
    for file in files:
        store.delete_file(store_path(file.uri))
