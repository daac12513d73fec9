"""From PostgreSQL's logical replication to landing files, as Debezium would flatten it, with delivery's own troubles.

wal2json says what changed; this module says it in Debezium's words (a key change is a delete and a create, an unchanged large
text is a placeholder, a row of an incremental snapshot has no LSN), then delays, duplicates, shuffles, and loses updates that a
later snapshot repairs. Rows of one key that share an LSN keep their order: nothing on the
wire could restore it.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2.extensions import connection as Connection  # noqa: N812

from ecommerce_platform_tests.postgres.workload import COLUMNS, SnapshotRow

PLACEHOLDER = "__debezium_unavailable_value"
FIRST_DAY = date(2026, 1, 1)
DECIMALS = {"price", "total_amount", "unit_price"}
TIMESTAMPS = {"created_at", "updated_at"}
TEXTS = {"email", "first_name", "last_name", "name", "description", "category", "status", "shipping_address"}


@dataclass(frozen=True)
class Event:
    """One flattened change event; `transaction` is PostgreSQL's id, `commit` counts transactions in commit order."""

    table: str
    key: int
    op: str
    lsn: int | None
    transaction: int
    commit: int
    values: dict[str, object]


def read_stream(connection: Connection) -> list[Event]:
    """Everything committed since the last call, in commit order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select xid::text, data "
            "from pg_logical_slot_get_changes('cdc', null, null, 'format-version', '2', 'include-lsn', 'true')"
        )
        records = [(int(xid), json.loads(data, parse_float=Decimal)) for xid, data in cursor.fetchall()]
    events: list[Event] = []
    commits: dict[int, int] = {}
    for transaction, record in records:
        if record["action"] in "IUD":
            events += _events(record, transaction, commits.setdefault(transaction, len(commits)))
    return events


def with_snapshots(events: Sequence[Event], rows: Sequence[SnapshotRow], seed: int) -> list[Event]:
    """The stream with the rows that snapshots read in between; half of the updates that such a row repairs never arrived."""
    rng = random.Random(seed)
    commits = {event.transaction: event.commit for event in events}
    reads = []
    for row in rows:
        seen = [transaction for transaction in commits if transaction <= row.after]
        if seen:
            last = max(seen)
            reads.append(Event(row.table, row.values["id"], "r", None, last, commits[last], row.values))  # type: ignore[arg-type]
    repaired: dict[tuple[str, int], int] = {}
    for read in reads:
        repaired[read.table, read.key] = max(read.commit, repaired.get((read.table, read.key), 0))
    # A key that goes away later may hand its texts on to a new key, which no snapshot of the old one repairs.
    gone = {(event.table, event.key): event.commit for event in events if event.op == "d"}
    kept = []
    for event in events:
        key = (event.table, event.key)
        repairable = event.op == "u" and gone.get(key, -1) < event.commit <= repaired.get(key, -1)
        if not repairable or rng.random() < 0.5:
            kept.append(event)
    return [*kept, *reads]


def _lsn(text: str) -> int:
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _events(record: dict, transaction: int, commit: int) -> list[Event]:
    table, lsn = record["table"], _lsn(record["lsn"])
    old_key = next((item["value"] for item in record.get("identity", []) if item["name"] == "id"), None)
    if record["action"] == "D":
        return [Event(table, old_key, "d", lsn, transaction, commit, {})]
    given = {item["name"]: item["value"] for item in record["columns"]}
    values = {column: given.get(column, PLACEHOLDER) for column in COLUMNS[table]}
    key = given["id"]
    if record["action"] == "U" and old_key is not None and old_key != key:
        return [
            Event(table, old_key, "d", lsn, transaction, commit, {}),
            Event(table, key, "c", lsn, transaction, commit, values),
        ]
    return [Event(table, key, "c" if record["action"] == "I" else "u", lsn, transaction, commit, values)]


def write_landing(landing: Path, events: Sequence[Event], days: Mapping[int, int], seed: int) -> list[date]:
    """Cuts the events into landing files; `days` has the day of each transaction. Returns every day that has a file."""
    rng = random.Random(seed)
    groups: dict[tuple[str, int, int], list[Event]] = defaultdict(list)
    for event in events:
        place = -1 - event.commit if event.lsn is None else event.lsn
        groups[event.table, event.key, place].append(event)
    files: dict[tuple[str, int, int], list[list[Event]]] = defaultdict(list)
    for (table, _, _), group in groups.items():
        day = days[group[0].transaction] + rng.choice([0, 0, 0, 1, 2])
        files[table, day, rng.randrange(2)].append(group)
        if rng.random() < 0.2:
            files[table, day + rng.choice([0, 0, 1]), rng.randrange(2)].append(group)
    for (table, day, part), chosen in files.items():
        rng.shuffle(chosen)
        rows = [_row(event, days) for group in chosen for event in group]
        folder = landing / table / f"date={FIRST_DAY + timedelta(days=day)}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=_schema(table)), folder / f"part-{part}.parquet")
    last = max((day for _, day, _ in files), default=0)
    return [FIRST_DAY + timedelta(days=day) for day in range(last + 1)]


def _row(event: Event, days: Mapping[int, int]) -> dict[str, object]:
    committed = datetime.combine(FIRST_DAY + timedelta(days=days[event.transaction]), datetime.min.time(), UTC)
    millis = int(committed.timestamp()) * 1000 + event.commit
    row: dict[str, object] = {"id": event.key, "__op": event.op, "__source_lsn": event.lsn}
    # Some connectors send 0 for the database's time of a snapshot row.
    row |= {"__source_ts_ms": 0 if event.op == "r" else millis, "__ts_ms": millis + 500}
    for column, value in event.values.items():
        if column in DECIMALS and value is not None:
            row[column] = str(value)
        elif column in TIMESTAMPS and isinstance(value, str | datetime):
            moment = (datetime.fromisoformat(value) if isinstance(value, str) else value).replace(tzinfo=UTC)
            row[column] = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        else:
            row[column] = value
    return row


def _schema(table: str) -> pa.Schema:
    metadata = [
        ("__op", pa.string()),
        ("__ts_ms", pa.int64()),
        ("__source_ts_ms", pa.int64()),
        ("__source_lsn", pa.int64()),
    ]
    columns = [(name, pa.string() if name in DECIMALS | TEXTS else pa.int64()) for name in COLUMNS[table]]
    return pa.schema([*columns, *metadata])
