"""Refused days decided by hand: looked at, published with a reason, dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import DayArrival
from ecommerce_platform.lakehouse.assets import day_metadata
from ecommerce_platform.lakehouse.by_hand.refused import Decision, drop_refused, publish_refused
from ecommerce_platform.lakehouse.by_hand.refused_days import decided_days, show_refused
from ecommerce_platform.lakehouse.checks import quarantine_share, row_conservation, unpublished
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import AuditedCounts, DayRecord, RefusedDay
from ecommerce_platform.lakehouse.days.publish import audit_branch, start_branch
from ecommerce_platform.lakehouse.errors import OverruleError
from ecommerce_platform.lakehouse.ingest import quarantine
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, ensure_quarantine_table, open_catalog
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, THIRD, SmallLake, order

ORDERS = load_contracts()["orders"]
BY_HAND = Decision("agreed with sales", "ada", "2026-01-05T08:00:00+00:00", "hand-1")


class KilledError(BaseException):
    """Stands for a kill: no handler of the platform catches it."""


COUNTS = AuditedCounts(
    landed=3, published=2, quarantined=1, duplicates=0, null_keys=0, null_metadata=0, files=1, bytes=9
)
LACKS_LSN = {
    "date": FIRST,
    "source_file": "date=2026-01-01/part-0.parquet",
    "source_row": 2,
    "reason": "missing_lsn",
    "column_name": "__source_lsn",
    "detail": "found nothing",
    "original_values": "{}",
}


def write(lake: SmallLake, branch: str, day: date, *ids: int) -> int:
    """What the Spark job does, in small: the day replaced on a branch that starts at main; returns the branch's snapshot."""
    catalog = open_catalog(Lake.of(lake.settings))
    table = ensure_event_table(catalog, Lake.of(lake.settings), ORDERS)
    start_branch(catalog, table, branch)
    table = catalog.load_table(table.name())
    empty = dict.fromkeys(table.schema().column_names)
    rows = [
        {**empty, "id": key, "date": day, "__source_file": f"date={day}/part-0.parquet", "__source_row": row}
        for row, key in enumerate(ids)
    ]
    content = pa.Table.from_pylist(rows, table.schema().as_arrow())
    table.overwrite(content, overwrite_filter=EqualTo("date", day), branch=branch)
    return catalog.load_table(table.name()).metadata.refs[branch].snapshot_id


def publish_day(lake: SmallLake, day: date, *ids: int, content_id: str) -> None:
    """Another run publishes the day."""
    snapshot = write(lake, audit_branch(content_id, 1), day, *ids)
    rows = len(ids)
    record = DayRecord("orders", day, snapshot, content_id, rows, rows, 0, 0, 1, 9, "run")
    catalog = open_catalog(Lake.of(lake.settings))
    publishing.publish(catalog, catalog.load_table("ecommerce.orders"), snapshot, [record])


def refuse(lake: SmallLake, content_id: str, *ids: int, counts: AuditedCounts = COUNTS) -> None:
    """Another run refuses the first day with this content."""
    catalog = open_catalog(Lake.of(lake.settings))
    snapshot = write(lake, audit_branch(content_id, 2), FIRST, *ids)
    in_quarantine = ensure_quarantine_table(catalog, Lake.of(lake.settings), ORDERS)
    quarantine.write_rows(in_quarantine, [DayArrival("orders", FIRST, (), content_id)], [LACKS_LSN], "run")
    branch = publishing.refused_branch(FIRST.isoformat(), content_id)
    refusal = RefusedDay("orders", FIRST, f"1 of {counts.landed} rows lack an LSN", content_id, branch, "run", counts)
    table = catalog.load_table("ecommerce.orders")
    publishing.record_refusals(catalog, table, [refusal], snapshot, drop=audit_branch(content_id, 2))


@pytest.fixture
def refused(local_settings: Settings) -> SmallLake:
    """The first day: one row published, then refused with three, one of which is none. Main has moved since. No Spark."""
    (Path(local_settings.landing_uri) / "orders").mkdir(parents=True)

    def no_spark() -> None:
        raise AssertionError("a decision by hand needs no Spark")

    lake = SmallLake(local_settings, no_spark)  # type: ignore[arg-type]
    publish_day(lake, FIRST, 1, content_id="first-content")
    refuse(lake, "refused-content", 1, 2)
    publish_day(lake, SECOND, 9, content_id="second-content")
    return lake


def publish(lake: SmallLake, decision: Decision = BY_HAND) -> DayRecord:
    return publish_refused(Lake.of(lake.settings), ORDERS, FIRST, decision)


def test_a_refused_day_is_shown_with_its_measures_its_rows_and_its_quarantine(refused: SmallLake) -> None:
    story = show_refused(Lake.of(refused.settings), ORDERS, FIRST)
    assert story.audited is not None
    assert (story.audited.landed, story.audited.published, story.audited.quarantined) == (3, 2, 1)
    assert story.quarantined == ({"reason": "missing_lsn", "column": "__source_lsn", "rows": 1},)
    assert sorted(row["id"] for row in story.sample) == [1, 2]
    assert (story.rows_published_before, story.may_be_published) == (1, True)
    assert story.reason == "1 of 3 rows lack an LSN"


def test_publishing_by_hand_puts_the_audited_rows_on_the_main_of_today_and_records_who_and_why(
    refused: SmallLake,
) -> None:
    audited = int(show_refused(Lake.of(refused.settings), ORDERS, FIRST).snapshot_id)
    record = publish(refused)

    assert refused.rows("date", "id") == [(FIRST, 1), (FIRST, 2), (SECOND, 9)]
    assert (record.landed, record.published, record.quarantined, record.duplicates) == (3, 2, 1, 0)
    assert record.by_hand is not None
    assert (record.by_hand.reason, record.by_hand.by, record.by_hand.at) == (BY_HAND.reason, "ada", BY_HAND.at)
    assert record.by_hand.audited_snapshot_id == audited
    assert refused.ledger.published[FIRST] == record
    assert (dict(refused.ledger.refused), refused.branches()) == ({}, [])
    assert refused.quarantined("reason") == [("missing_lsn",)]
    assert row_conservation(Lake.of(refused.settings), "orders", [FIRST, SECOND]).passed
    assert unpublished(Lake.of(refused.settings), "orders", [FIRST, SECOND]) == []


def test_publishing_by_hand_twice_is_the_same_as_once(refused: SmallLake) -> None:
    first = publish(refused)
    again = publish(refused, replace(BY_HAND, reason="another reason", run_id="hand-2"))
    assert again == first
    assert len(refused.rows("id")) == 3


def test_of_several_who_publish_a_refused_day_at_once_one_is_recorded(refused: SmallLake) -> None:
    decisions = [replace(BY_HAND, by=f"person {number}", run_id=f"hand{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(lambda decision: publish(refused, decision), decisions))
    assert {record.by_hand for record in records} == {refused.ledger.published[FIRST].by_hand}
    assert refused.rows("date", "id") == [(FIRST, 1), (FIRST, 2), (SECOND, 9)]
    assert refused.branches() == []


def test_a_day_that_is_published_while_another_is_published_by_hand_stays(refused: SmallLake) -> None:
    def other_run(step: str) -> None:
        if step == "written" and THIRD not in refused.ledger.published:
            publish_day(refused, THIRD, 7, content_id="third-content")

    publish(refused, replace(BY_HAND, reached=other_run))
    assert refused.rows("date", "id") == [(FIRST, 1), (FIRST, 2), (SECOND, 9), (THIRD, 7)]
    assert sorted(refused.ledger.published) == [FIRST, SECOND, THIRD]


def test_other_content_that_is_refused_meanwhile_is_not_published_unseen(refused: SmallLake) -> None:
    done: list[str] = []

    def other_content(step: str) -> None:
        if step == "written" and not done:
            done.append(step)
            refuse(refused, "other-content", 5, counts=replace(COUNTS, landed=2, published=1))

    with pytest.raises(OverruleError, match="other content has been refused meanwhile"):
        publish(refused, replace(BY_HAND, reached=other_content))
    assert refused.rows("date", "id") == [(FIRST, 1), (SECOND, 9)]
    assert "1 of 2 rows" in refused.ledger.refused[FIRST].reason


@pytest.mark.parametrize("step", ["branched", "written", "published"])
def test_a_kill_at_any_step_leaves_the_day_as_it_was_or_published(refused: SmallLake, step: str) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError(step)

    with pytest.raises(KilledError):
        publish(refused, replace(BY_HAND, reached=kill))
    published = step == "published"
    assert len(refused.rows("id")) == (3 if published else 2)
    record = publish(refused, replace(BY_HAND, run_id="hand-2"))
    assert refused.rows("date", "id") == [(FIRST, 1), (FIRST, 2), (SECOND, 9)]
    assert refused.ledger.published[FIRST] == record
    publish_day(refused, THIRD, 4, content_id="third-content")
    assert refused.branches() == []


def test_the_decision_belongs_to_the_content_and_stays_when_it_is_materialized_again(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1), order(2, 2), order(3, None))

    def decide_once(table: str, step: str) -> None:
        if step == "published" and FIRST not in lake.ledger.published:
            publish(lake)

    # The second day's publication comes after the first was refused, and before the run writes its refusals at its end.
    lake.land(SECOND, order(9, 9))
    lake.reached = decide_once
    lake.ingest(FIRST, SECOND)
    assert dict(lake.ledger.refused) == {}
    record = lake.ledger.published[FIRST]

    again = lake.ingest(FIRST)
    assert again.unchanged == {FIRST: record}
    assert day_metadata(again, FIRST)["published_by_hand"] == "agreed with sales (ada, 2026-01-05T08:00:00+00:00)"
    check = quarantine_share(Lake.of(lake.settings), lake.settings.landing.max_quarantined_share, "orders", [FIRST])
    assert (check.passed, "agreed with sales" in str(check.metadata["days_published_by_hand"])) == (False, True)

    forced = lake.ingest(FIRST, force=True)
    assert (forced.refused, forced.records[FIRST].by_hand) == ({}, record.by_hand)

    lake.land(FIRST, order(1, 1), order(2, 2), order(3, None), order(4, None))
    assert sorted(lake.ingest(FIRST).refused) == [FIRST]
    assert lake.ledger.published[FIRST].by_hand == record.by_hand


def test_nothing_is_published_by_hand_where_nothing_was_audited(refused: SmallLake) -> None:
    refused.path(FIRST).write_bytes(b"PAR1")
    refused.ingest(FIRST)
    with pytest.raises(OverruleError, match="nothing was audited, so there is nothing to publish"):
        publish(refused)
    with pytest.raises(OverruleError, match="orders 2026-01-02 is not refused; refused days of orders: 2026-01-01"):
        publish_refused(Lake.of(refused.settings), ORDERS, SECOND, BY_HAND)


def test_lost_rows_are_no_matter_of_judgement(refused: SmallLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecommerce_platform.lakehouse.by_hand.refused.may_be_overruled", lambda audited: False)
    with pytest.raises(OverruleError, match="leaves no choice"):
        publish(refused)
    with pytest.raises(OverruleError, match="needs a reason"):
        publish(refused, replace(BY_HAND, reason="  "))


def test_dropping_a_refusal_leaves_what_is_published_and_the_day_is_audited_again(refused: SmallLake) -> None:
    drop_refused(Lake.of(refused.settings), ORDERS, FIRST)
    assert (dict(refused.ledger.refused), refused.branches(), refused.quarantined("reason")) == ({}, [], [])
    assert refused.rows("date", "id") == [(FIRST, 1), (SECOND, 9)]


def test_the_command_line_lists_shows_publishes_and_drops(refused: SmallLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(refused.settings.data_dir))
    monkeypatch.setenv("LOGNAME", "grace")
    run = CliRunner().invoke
    assert "missing_lsn" in run(app, ["refused", "show", "orders", "2026-01-01"]).stdout
    assert "refused" in run(app, ["refused", "list"]).stdout
    published = run(app, ["refused", "publish", "orders", "2026-01-01", "--reason", "agreed"])
    assert (published.exit_code, '"by": "grace"' in published.stdout) == (0, True)
    assert "published by hand" in run(app, ["refused", "list", "--all"]).stdout
    dropped = run(app, ["refused", "drop", "orders", "2026-01-01"])
    assert (dropped.exit_code, "is not refused" in dropped.stderr) == (1, True)
    assert [line.state for line in decided_days(Lake.of(refused.settings), published=True)] == ["published by hand"]


def test_an_abandoned_branch_is_dropped_by_the_next_publication(refused: SmallLake) -> None:
    catalog = open_catalog(Lake.of(refused.settings))
    start_branch(catalog, catalog.load_table("ecommerce.orders"), audit_branch("hand-dead", 1))
    publish(refused)
    assert refused.branches() == []
