"""Forgetting a person: the order of the steps, and what a killed one leaves for the next.

What belongs here: the sequence. What does not: any step itself, and the command line.

The list comes first, so that nothing that is ingested from here on brings the person back. Then landing, so that what the lake
calls a day's content is that of the rewritten files; the lake, whose ledger the warehouse follows; the warehouse and its models;
the speed layer; leftovers. Each step finds for itself what is left to do, so that a killed erasure is run again and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

from pyiceberg.catalog import Catalog
from pyiceberg.typedef import Record

from ecommerce_platform.erasure import lake as lake_files
from ecommerce_platform.erasure import lake_commit, landing_files, leftovers, speed, warehouse
from ecommerce_platform.erasure.day_ledger import ledger_properties, names_old_content
from ecommerce_platform.erasure.errors import ErasureError
from ecommerce_platform.erasure.plan import Holding, Plan, lake_changes, make_plan, subject_of
from ecommerce_platform.erasure.subject import Subject
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.days.ledger import DayRecord, read_ledger
from ecommerce_platform.lakehouse.ingest.tables import open_catalog
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform.landing.forgotten import (
    Entry,
    Forgotten,
    ForgottenFiles,
    find_entry,
    installation_key,
    key_check,
    load_forgotten,
    write_entry,
)
from ecommerce_platform.reconciliation.layers.clickhouse import speed_table
from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.sql.connection import connect

_Contents = Mapping[str, Mapping[date, tuple[str, str]]]


@dataclass(frozen=True)
class Request:
    """Who is to be forgotten, why, and who asks. `reached` is called with each step. With `alone` the caller promises that
    nothing else writes now, so that files left by killed writes can go at once.
    """

    settings: Settings
    table: str
    key: int
    reason: str
    by: str
    run_id: str
    alone: bool = False
    say: Callable[[str], None] = lambda line: None
    reached: Callable[[str], None] = lambda step: None


@dataclass(frozen=True)
class Outcome:
    """What is left: nothing, or places that only their owner can change."""

    left: tuple[Holding, ...]
    landing_left: tuple[landing_files.LandingHolding, ...]

    @property
    def complete(self) -> bool:
        return not self.left and not self.landing_left


def plan(settings: Settings, table: str, key: int) -> Plan:
    """What holds the person, where, and how much of it; changes nothing."""
    with connect(settings) as connection:
        return make_plan(settings, connection, subject_of(Lake.of(settings), table, key))


def erase(request: Request, planned: Plan) -> Outcome:
    """Forgets the person; run again, it goes on where it was killed. Raises ErasureError."""
    settings, subject = request.settings, planned.subject
    entry, refused, contents = erase_files(request, planned)
    _warehouse(request, subject, entry, contents)
    owner = _speed(request, subject)
    _leftovers(request)
    outcome = _proof(request, owner, refused)
    if outcome.complete or not [item for item in outcome.left if not item.owner]:
        write_entry(ForgottenFiles.of(settings), replace(entry, done_at=_now(), doomed={}, tries={}))
        request.reached("done")
    return outcome


def erase_files(request: Request, planned: Plan) -> tuple[Entry, tuple[landing_files.LandingHolding, ...], _Contents]:
    """The list, landing and the lake. Returns the person's entry, files that their owner has to write, and of the days whose
    files were rewritten the names of their content before and after.
    """
    settings, subject = request.settings, planned.subject
    entry = _begin(request, subject)
    request.reached("listed")
    entry, refused = _landing(request, planned, entry)
    contents = {
        table: landing_files.renamed_contents(Intake.of(settings), subject.contracts[table], entry)
        for table in subject.rows
    }
    return _lake(request, open_catalog(Lake.of(settings)), subject, entry, contents, planned), refused, contents


@dataclass
class _Journal:
    """The person's entry as the lake's notebook (lake_commit.Journal)."""

    files: ForgottenFiles
    entry: Entry

    def begins(self, identifier: str, token: str) -> None:
        self._write(replace(self.entry, tries=_with(self.entry.tries, identifier, (token,))))

    def dooms(self, identifier: str, files: tuple[str, ...]) -> None:
        self._write(replace(self.entry, doomed=_with(self.entry.doomed, identifier, files)))

    def _write(self, entry: Entry) -> None:
        self.entry = entry
        write_entry(self.files, entry)


def _with(known: Mapping[str, tuple[str, ...]], name: str, items: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {**known, name: tuple(sorted({*known.get(name, ()), *items}))}


def _begin(request: Request, subject: Subject) -> Entry:
    settings = request.settings
    files = ForgottenFiles.of(settings)
    load_forgotten(settings)  # a list that cannot be opened is not added to
    key = installation_key(settings, make=True)
    opened = Forgotten(key)
    person = opened.person(request.table, request.key)
    owned = {
        table: tuple(sorted(opened.owned(table, item) for item in keys))
        for table, keys in subject.keys.items()
        if table != request.table
    }
    known = find_entry(files, person)
    if known is None:
        if not request.reason.strip():
            raise ErasureError("a reason is needed: --reason says who asked, and when; do not name the person in it")
        known = Entry(person, request.table, key_check(key), request.reason, request.by, _now())
    if known.done_at:  # what days were called before an earlier erasure says nothing of what has come since
        known = replace(known, contents={})
    merged = {
        table: tuple(sorted({*known.owned.get(table, ()), *owned.get(table, ())})) for table in {*known.owned, *owned}
    }
    entry = replace(known, owned=merged, done_at="")
    write_entry(files, entry)
    return entry


def _landing(request: Request, planned: Plan, entry: Entry) -> tuple[Entry, tuple[landing_files.LandingHolding, ...]]:
    refused: list[landing_files.LandingHolding] = []
    files = ForgottenFiles.of(request.settings)
    for table in planned.subject.rows:
        holdings = [item for item in planned.landing if item.table == table]
        entry = landing_files.settled(LandingZone.of(request.settings), table, entry)
        entry, left = landing_files.rewrite_files(
            request.settings,
            planned.subject.contracts[table],
            planned.subject.change(table, strays=True),
            holdings,
            entry,
            partial(write_entry, files),
            request.reached,
        )
        refused += left
        write_entry(files, entry)
        request.say(f"landing: {table}: {sum(bool(item.rows) for item in holdings)} files rewritten")
    request.reached("landing done")
    return entry, tuple(refused)


def _lake(
    request: Request, catalog: Catalog, subject: Subject, entry: Entry, contents: _Contents, planned: Plan
) -> Entry:
    lake = Lake.of(request.settings)
    journal = _Journal(ForgottenFiles.of(request.settings), entry)
    for identifier, part in _parts(lake, catalog, subject, contents).items():
        if lake.find(identifier) is None:
            continue
        files = lake_commit.erase(catalog, part, journal, request.reached)
        doomed, tries = (names.get(identifier, ()) for names in (journal.entry.doomed, journal.entry.tries))
        lake_files.remove_doomed(lake.s3, catalog, identifier, doomed, tries)
        request.reached(f"{identifier} removed")
        if files:
            request.say(f"lake: {identifier}: {files} data files written again, old snapshots dropped")
    for identifier, strays in planned.strays.items() if request.alone else ():
        table = catalog.load_table(identifier)
        present = {file.address for file in lake_files.unnamed(lake.s3, table)}
        for file in (file for file in strays if file.address in present):
            lake_files.remove_file(table, file.address)
    request.reached("lake done")
    return journal.entry


def _parts(lake: Lake, catalog: Catalog, subject: Subject, contents: _Contents) -> dict[str, lake_commit.TableErasure]:
    """What to do with each table, quarantine before events: the values of events identify rows with unreadable keys."""
    parts = {
        name: lake_commit.TableErasure(name, change) for name, change in lake_changes(lake, catalog, subject).items()
    }
    for table in subject.rows:
        renamed = dict(contents.get(table, {}).values())
        unfit, events = lake.quarantine(table), lake.events(table)
        parts[unfit] = lake_commit.TableErasure(
            unfit,
            subject.quarantine_change(table, renamed),
            partition=lambda partition, names=renamed: Record(partition[0], names.get(partition[1], partition[1])),  # type: ignore[misc]
            must_move=lambda partition, names=renamed: names.get(partition[1], partition[1]) != partition[1],  # type: ignore[misc]
        )
        parts[events] = lake_commit.TableErasure(
            events,
            parts[events].change,
            properties=partial(ledger_properties, table, renamed),
            must_commit=partial(names_old_content, table, renamed),
        )
    return parts


def _warehouse(request: Request, subject: Subject, entry: Entry, contents: _Contents) -> None:
    records: dict[str, dict[date, DayRecord]] = {
        table: dict(ledger.published)
        for table, ledger in read_ledger(Lake.of(request.settings), list(subject.rows)).items()
    }
    opener = partial(connect, request.settings, request.run_id)
    batch = f"forget-{entry.person[:16]}"
    warehouse.erase(
        request.settings, opener, subject, contents, records, batch, request.run_id, request.say, request.reached
    )
    request.reached("warehouse done")


def _speed(request: Request, subject: Subject) -> str:
    if "orders" not in subject.rows:
        return ""
    leftovers.rewrite_sample(request.settings.realtime_dir, subject.change("orders", strays=False))
    with speed_table(request.settings) as table:
        contract, rows = subject.contracts["orders"], subject.rows["orders"]
        owner = speed.erase(table, contract, rows, in_stand_in=request.settings.clickhouse.is_embedded)
    request.reached("speed layer done")
    return owner


def _leftovers(request: Request) -> None:
    with connect(request.settings, request.run_id) as connection:
        leftovers.remove_all_staged(connection)
    leftovers.remove_scratch(request.settings.scratch_uri)
    request.reached("leftovers done")
    if request.settings.snowflake.is_embedded:
        from ecommerce_platform.stand_ins.compaction import compact_snowflake

        compact_snowflake(request.settings.data_dir)
    request.reached("stand-in compacted")


def _proof(request: Request, owner: str, refused: tuple[landing_files.LandingHolding, ...]) -> Outcome:
    """Asks every place again: what is found now was not erased."""
    remainder = plan(request.settings, request.table, request.key)
    left = [
        replace(item, owner=owner) if item.place == "speed layer" and owner else item
        for item in remainder.holdings
        if item.place != "landing"
    ]
    landing = {item.file.path: item for item in (*remainder.landing, *refused)}
    return Outcome(tuple(left), tuple(landing.values()))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
