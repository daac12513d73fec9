"""The corpus: every kind of bad input has exactly one outcome. One ingestion reads it all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ecommerce_platform.lakehouse.decode import QuarantineReason
from ecommerce_platform.lakehouse.ledger import DayRecord
from ecommerce_platform.settings import LandingSettings, load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform.speed_layer.order_versions import OrderVersions
from ecommerce_platform_tests.lakehouse.corpus.files import FILES, FileKind
from ecommerce_platform_tests.lakehouse.corpus.rows import (
    CONTRACT,
    OPTIONS,
    ROWS,
    SCHEMAS,
    Duplicate,
    Published,
    Quarantined,
    RowKind,
    content_of,
    position,
)
from ecommerce_platform_tests.lakehouse.lake import Lake

ROWS_DAY = date(2026, 1, 1)
DAYS = {kind.name: ROWS_DAY + timedelta(days=number) for number, kind in enumerate(FILES, start=1)}


@dataclass
class Read:
    """What the one ingestion made of the corpus."""

    landing: Path
    records: dict[date, DayRecord]
    refused: dict[date, str]
    published: dict[tuple[str, int], dict[str, Any]]
    quarantined: dict[tuple[str, int], tuple[str, str, str]]


@pytest.fixture(scope="module")
def read(spark_application: None, tmp_path_factory: pytest.TempPathFactory) -> Read:
    # More than half of the day's rows are bad on purpose; a day of nothing else is refused all the same.
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("corpus"), landing=LandingSettings(max_quarantined_share=Decimal("0.9"))
    )
    lake = Lake(settings, lambda: build_session(settings))
    Path(settings.landing_uri).mkdir(parents=True)
    for file in SCHEMAS:
        pq.write_table(content_of(file), lake.path(ROWS_DAY, f"{file}.parquet"), **OPTIONS.get(file, {}))
    for kind in FILES:
        kind.write(lake.path(DAYS[kind.name]).parent)
    # A day that is refused only after it was written makes the run write the others once more: such days go by themselves.
    late = [DAYS[kind.name] for kind in FILES if kind.after_writing]
    at_once = lake.ingest(ROWS_DAY, *(day for day in DAYS.values() if day not in late), contract=CONTRACT)
    afterwards = lake.ingest(*late, contract=CONTRACT)
    records = {**at_once.records, **afterwards.records}
    refused = {day: item.reason for result in (at_once, afterwards) for day, item in result.refused.items()}
    names = [column.name for column in CONTRACT.all_event_columns]
    rows = [dict(zip(names, row, strict=True)) for row in lake.rows(*names)]
    kept = lake.quarantined("source_file", "source_row", "reason", "column_name", "original_values")
    return Read(
        Path(settings.landing_uri),
        records,
        refused,
        {(row["__source_file"], row["__source_row"]): row for row in rows},
        {(file, row): (reason, column, values) for file, row, reason, column, values in kept},
    )


def place(kind: RowKind) -> tuple[str, int]:
    return f"date={ROWS_DAY}/{kind.file}.parquet", position(kind)


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.name)
def test_each_kind_of_row_has_its_outcome(read: Read, kind: RowKind) -> None:
    published, quarantined = read.published.get(place(kind)), read.quarantined.get(place(kind))
    match kind.outcome:
        case Quarantined(reason, column):
            assert published is None
            assert quarantined is not None
            assert quarantined[:2] == (reason, column)
            assert f'"{column}":' in quarantined[2]
        case Published(values, flag):
            assert quarantined is None
            assert published is not None
            assert {name: in_utc(published[name]) for name in values} == values
            # Flags are columns of staging, by the contract's rules; here the row goes through untouched.
            assert not flag or flag in {rule.rule for rule in CONTRACT.quality}
        case Duplicate():
            assert (published, quarantined) == (None, None)


def in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.name)
def test_each_kind_of_file_has_its_outcome(read: Read, kind: FileKind) -> None:
    day = DAYS[kind.name]
    refused, record = read.refused.get(day), read.records.get(day)
    if kind.refused is None:
        assert refused is None
        assert record is not None
        assert record.published == kind.rows
        return
    assert record is None
    assert refused is not None
    assert kind.refused in refused
    assert str(day) in refused


def test_no_row_is_lost(read: Read) -> None:
    record = read.records[ROWS_DAY]
    outcomes = [type(kind.outcome) for kind in ROWS]
    assert (record.landed, record.published) == (len(ROWS), outcomes.count(Published))
    assert (record.quarantined, record.duplicates) == (outcomes.count(Quarantined), outcomes.count(Duplicate))


def test_every_reason_for_quarantine_occurs() -> None:
    found = {kind.outcome.reason for kind in ROWS if isinstance(kind.outcome, Quarantined)}
    assert found == {reason.value for reason in QuarantineReason}


def test_the_corpus_has_at_least_sixty_kinds_of_different_names() -> None:
    names = [kind.name for kind in (*ROWS, *FILES)]
    assert len(names) == len(set(names))
    assert sum(1 for kind in ROWS if isinstance(kind.outcome, Quarantined)) >= 40
    assert sum(1 for kind in FILES if kind.refused) >= 35
    assert len(names) >= 200


@pytest.mark.parametrize("file", SCHEMAS)
def test_the_speed_layers_loader_reads_each_file_as_spark_does(read: Read, file: str) -> None:
    path = f"date={ROWS_DAY}/{file}.parquet"
    versions = OrderVersions(CONTRACT, [read.landing / "orders" / path], skip_unreadable=True)
    try:
        loaded = [row for batch in versions.batches() for row in batch.to_pylist()]
        skipped = versions.skipped
    finally:
        versions.close()
    names = [*CONTRACT.column_names, "__op", "__source_ts_ms"]
    published = [row for (name, _), row in read.published.items() if name == path]
    assert {(row["id"], row["__source_lsn"]): [as_utc(row[name]) for name in names] for row in loaded} == {
        (row["id"], row["__source_lsn"] or 0): [as_utc(row[name]) for name in names] for row in published
    }
    assert skipped == sum(1 for name, _ in read.quarantined if name == path)


def as_utc(value: Any) -> Any:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


_FORMS_TABLE = re.compile(r"^\| .+ \| .+ \| .+ \| `(.+)` \|$", re.MULTILINE)


def test_every_form_of_the_docs_table_is_in_the_corpus() -> None:
    page = (Path(__file__).parents[3] / "docs" / "change-events.md").read_text(encoding="utf-8")
    section = page.split("## Physical forms", 1)[1].split("\n## ", 1)[0]
    listed = _FORMS_TABLE.findall(section)
    assert len(listed) >= 40
    assert set(listed) <= {kind.name for kind in (*ROWS, *FILES)}
