"""The corpus: every kind of bad input has exactly one outcome, from a folder and from S3, and through the speed layer's loader.

One ingestion from either place reads it all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ecommerce_platform.lakehouse.days.ledger import DayRecord
from ecommerce_platform.lakehouse.decode.change_events import QuarantineReason
from ecommerce_platform.landing.files import list_folder
from ecommerce_platform.settings import LandingSettings, Settings, load_settings
from ecommerce_platform.spark.session import build_session
from ecommerce_platform.speed_layer.order_versions import OrderVersions, RealtimeLoadError
from ecommerce_platform_tests.lakehouse.corpus.files import ORDINARY, FileKind
from ecommerce_platform_tests.lakehouse.corpus.kinds import (
    CONTRACT,
    OPTIONS,
    SCHEMAS,
    Duplicate,
    Published,
    Quarantined,
    RowKind,
)
from ecommerce_platform_tests.lakehouse.corpus.rows import ROWS, content_of, position
from ecommerce_platform_tests.lakehouse.corpus.stored import STORED
from ecommerce_platform_tests.lakehouse.lake import SmallLake
from ecommerce_platform_tests.s3_server import s3_bucket

FILES = (*ORDINARY, *STORED)
ROWS_DAY = date(2026, 1, 1)
DAYS = {kind.name: ROWS_DAY + timedelta(days=number) for number, kind in enumerate(FILES, start=1)}


#: Refused days that the loader reads nevertheless: it can do without the connector's time, and leaves unreadable rows out.
LOADED_ALL_THE_SAME = (
    "a file that lacks __ts_ms",
    "only rows that are not events",
    "a column of text that is not UTF-8",
)


@dataclass
class Read:
    """What the one ingestion made of the corpus."""

    records: dict[date, DayRecord]
    refused: dict[date, str]
    published: dict[tuple[str, int], dict[str, Any]]
    quarantined: dict[tuple[str, int], tuple[str, str, str]]


@pytest.fixture(scope="module")
def landing(spark_application: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of the corpus in a landing zone on the disk."""
    folder = tmp_path_factory.mktemp("corpus") / "landing"
    for file in SCHEMAS:
        path = folder / "orders" / f"date={ROWS_DAY}" / f"{file}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(content_of(file), path, **OPTIONS.get(file, {}))
    for kind in FILES:
        (of_day := folder / "orders" / f"date={DAYS[kind.name]}").mkdir()
        kind.write(of_day)
    return folder


@pytest.fixture(
    scope="module", params=[pytest.param("folder", marks=pytest.mark.slow), pytest.param("s3", marks=pytest.mark.soak)]
)
def read(request: pytest.FixtureRequest, landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    # More than half of the day's rows are bad on purpose; a day of nothing else is refused all the same.
    data, share = tmp_path_factory.mktemp("data"), LandingSettings(max_quarantined_share=Decimal("0.9"))
    if request.param == "folder":
        yield read_all(load_settings(data_dir=data, landing_uri=str(landing), landing=share))
        return
    with s3_bucket("corpus") as bucket:
        for path in sorted(path for path in landing.rglob("*") if path.is_file()):
            bucket.client.upload_file(str(path), "corpus", f"landing/{path.relative_to(landing)}")
        yield read_all(
            load_settings(data_dir=data, landing_uri="s3://corpus/landing", s3=bucket.settings, landing=share)
        )


def read_all(settings: Settings) -> Read:
    lake = SmallLake(settings, lambda: build_session(settings))
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
        rows = [row for (file, _), row in read.published.items() if file.startswith(f"date={day}/")]
        assert not kind.values or {name: in_utc(rows[0][name]) for name in kind.values} == kind.values
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
    reasons = {kind.outcome.reason for kind in ROWS if isinstance(kind.outcome, Quarantined)}
    assert reasons == {reason.value for reason in QuarantineReason}


def test_the_corpus_has_at_least_sixty_kinds_of_different_names() -> None:
    names = [kind.name for kind in (*ROWS, *FILES)]
    assert len(names) == len(set(names))
    assert sum(1 for kind in ROWS if isinstance(kind.outcome, Quarantined)) >= 40
    assert sum(1 for kind in FILES if kind.refused) >= 35
    assert len(names) >= 200


def loaded_by(files: Sequence[Path]) -> tuple[dict[tuple[int, int], list[Any]], int]:
    """What the speed layer's loader makes of files: its rows by key and LSN, and how many it left out."""
    names = [*CONTRACT.column_names, "__op", "__source_ts_ms"]
    versions = OrderVersions(CONTRACT, files, skip_unreadable=True)
    try:
        rows = [row for batch in versions.batches() for row in batch.to_pylist()]
        return {
            (row["id"], row["__source_lsn"]): [as_utc(row[name]) for name in names] for row in rows
        }, versions.skipped
    finally:
        versions.close()


def published_of(read: Read, place: str) -> dict[tuple[int, int], list[Any]]:
    names = [*CONTRACT.column_names, "__op", "__source_ts_ms"]
    rows = [row for (file, _), row in read.published.items() if file.startswith(place)]
    return {(row["id"], row["__source_lsn"] or 0): [as_utc(row[name]) for name in names] for row in rows}


@pytest.mark.parametrize("file", SCHEMAS)
def test_the_speed_layers_loader_reads_each_file_as_spark_does(read: Read, landing: Path, file: str) -> None:
    path = f"date={ROWS_DAY}/{file}.parquet"
    loaded, skipped = loaded_by([landing / "orders" / path])
    assert loaded == published_of(read, path)
    assert skipped == sum(1 for name, _ in read.quarantined if name == path)


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.name)
def test_the_speed_layers_loader_takes_and_refuses_the_same_files(read: Read, landing: Path, kind: FileKind) -> None:
    folder = f"date={DAYS[kind.name]}"
    files = [Path(file.uri) for file in list_folder(landing / "orders" / folder)]
    if kind.refused and not kind.beyond_contract and kind.name not in LOADED_ALL_THE_SAME:
        with pytest.raises(RealtimeLoadError, match=r"cannot be read|column") as caught:
            loaded_by(files)
        assert kind.refused in str(caught.value) or kind.after_writing
    elif kind.refused is None:
        assert loaded_by(files)[0] == published_of(read, f"{folder}/")
    else:
        loaded_by(files)


def as_utc(value: Any) -> Any:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value


_FORMS_TABLE = re.compile(r"^\| .+ \| .+ \| .+ \| `(.+)` \|$", re.MULTILINE)


def test_every_form_of_the_docs_table_is_in_the_corpus() -> None:
    page = (Path(__file__).parents[3] / "docs" / "change-events.md").read_text(encoding="utf-8")
    section = page.split("## Physical forms", 1)[1].split("\n## ", 1)[0]
    listed = _FORMS_TABLE.findall(section)
    assert len(listed) >= 40
    assert set(listed) <= {kind.name for kind in (*ROWS, *FILES)}
