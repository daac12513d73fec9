"""What must be true when a trial has been run to its end: nothing lost, nothing twice, nothing left behind."""

from __future__ import annotations

from datetime import date
from typing import Any

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.end_to_end.compare import differences
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS, METADATA, as_arrow
from ecommerce_platform_tests.end_to_end.platform import Platform, disagreements
from ecommerce_platform_tests.faults.shops import DAYS, Shop

PLACE = ("date", "__source_file", "__source_row")


def lake_problems(settings: Settings, shop: Shop) -> list[str]:
    """Iceberg against the independent decoder: every event once, the ledger's counts, quarantine once, no branch left."""
    platform = Platform(settings)
    counts = platform.counts()
    problems = [
        f"ledger {key}: {counts.get(key)}, expected {value}"
        for key, value in shop.decoded.counts.items()
        if counts.get(key) != value
    ]
    for table in COLUMNS:
        expected = as_arrow(shop.decoded.events[table], table).to_pylist()
        problems += compared(platform.events(table), expected, f"iceberg {table}")
        branches = set(Lake.of(settings).load(f"{settings.lakehouse.namespace}.{table}").metadata.refs) - {"main"}
        problems += [f"iceberg {table}: branch {name} is left" for name in branches]
    return problems + quarantine_problems(settings, shop)


def quarantine_problems(settings: Settings, shop: Shop) -> list[str]:
    problems = []
    for table, ledger in read_ledger(Lake.of(settings)).items():
        expected = sorted((on, file, row) for name, on, file, row, _ in shop.decoded.quarantined if name == table)
        current = {record.content_id for record in ledger.published.values()}
        held: list[tuple[date, str, int]] = []
        if expected:
            scan = Lake.of(settings).load(f"{settings.lakehouse.quarantine_namespace}.{table}").scan()
            held = sorted(
                (row["date"], row["source_file"], row["source_row"])
                for row in scan.to_arrow().to_pylist()
                if row["content_id"] in current
            )
        if held != expected:
            problems.append(f"quarantine {table}: {held}, expected {expected}")
    return problems


def raw_problems(settings: Settings, shop: Shop) -> list[str]:
    """RAW and its ledger against the landing files: every event once, each day of one load, which the ledger names."""
    platform = Platform(settings)
    ledger = {(row["table_name"], row["date"]): row for row in platform.query("select * from RAW.LOAD_LEDGER")}
    entries = platform.query("select count(*) as n from RAW.LOAD_LEDGER")[0]["n"]
    problems = [] if entries == len(ledger) else [f"RAW.LOAD_LEDGER has {entries} rows for {len(ledger)} days"]
    published = read_ledger(Lake.of(settings))
    for table in source_tables():
        names = ", ".join(f'"{column.name.upper()}"' for column in load_contracts()[table].raw_columns)
        rows = platform.query(f"select {names} from RAW.{table}")
        columns = (*COLUMNS[table], *METADATA, *PLACE)
        expected = as_arrow(shop.decoded.events[table], table).to_pylist()
        problems += compared([{name: row[name] for name in columns} for row in rows], expected, f"RAW.{table}")
        for on in DAYS:
            mine = [row for row in rows if row["date"] == on]
            entry, record = ledger.get((table, on)), published[table].published[on]
            if (
                entry is None
                or entry["row_count"] != len(mine)
                or {row["batch_id"] for row in mine} - {entry["batch_id"]}
            ):
                problems.append(f"RAW.LOAD_LEDGER {table} {on}: {entry} for {len(mine)} rows")
            elif entry["batch_id"] != f"{table}-{on}-{record.content_id}":
                problems.append(f"RAW.LOAD_LEDGER {table} {on}: {entry['batch_id']}, published is {record.content_id}")
    return problems


def mart_problems(settings: Settings, shop: Shop) -> list[str]:
    """Staging, intermediate and mart tables against the oracle; nothing superseded left; what is loaded is applied."""
    platform = Platform(settings)
    problems = disagreements(platform.tables(), shop.truth)
    for table in source_tables():
        left = platform.query(f"select count(*) as n from RAW.SUPERSEDED_{table}")[0]["n"]
        problems += [f"RAW.SUPERSEDED_{table} has {left} rows left"] if left else []
    both = ["RAW.LOAD_LEDGER", "STAGING.APPLIED_DAYS"]
    loaded, applied = (
        {(row["table_name"], row["date"], row["batch_id"]) for row in platform.query(f"select * from {name}")}
        for name in both
    )
    return problems + ([f"applied and loaded differ: {sorted(loaded ^ applied)}"] if loaded != applied else [])


def compared(actual: list[dict[str, Any]], expected: list[dict[str, Any]], what: str) -> list[str]:
    try:
        return differences(actual, expected, PLACE, what=what, limit=3)
    except AssertionError as doubled:
        return [str(doubled)]
