"""Published events that a day's files no longer have: the day is refused, the last good state stays, and giving the events up
is a command with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.assets import day_metadata
from ecommerce_platform.lakehouse.by_hand.refused import Decision, publish_refused
from ecommerce_platform.lakehouse.by_hand.refused_days import decided_days
from ecommerce_platform.lakehouse.checks import row_conservation, unpublished
from ecommerce_platform.lakehouse.days.absence import Gone, absence_reason
from ecommerce_platform.lakehouse.errors import OverruleError
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.lakehouse.lake import FIRST, NOON, SECOND, THIRD, SmallLake, counts, order

ORDERS = load_contracts()["orders"]
GOOD = [order(key, key) for key in range(1, 31)]


def no_spark() -> None:
    raise AssertionError("Spark was started for days without rows")


def keys(lake: SmallLake) -> list[int]:
    return sorted(key for (key,) in lake.rows("id"))


def published(lake: SmallLake, *days: date) -> None:
    for day in days:
        lake.land(day, *GOOD)
    assert lake.ingest(*days).refused == {}


@pytest.mark.parametrize("empty", ["folder gone", "folder empty", "a file without rows"])
def test_a_published_day_whose_files_are_gone_is_refused_without_spark_and_stays_as_it_was(
    lake: SmallLake, empty: str
) -> None:
    published(lake, FIRST, SECOND)
    spark, lake.session = lake.session, no_spark  # type: ignore[assignment]
    lake.path(FIRST).unlink()
    if empty == "folder gone":
        lake.path(FIRST).parent.rmdir()
    elif empty == "a file without rows":
        lake.land(FIRST)

    result = lake.ingest(FIRST, SECOND)

    assert result.refused[FIRST].reason == (
        "orders, 2026-01-01: 30 published events are gone: ids 1, 2, 3, 4, 5 … (and 25 more); expected every published event "
        "to be among the day's files; put the files back, or withdraw the events on purpose with "
        "`ecommerce-platform refused publish orders 2026-01-01 --withdraw --reason …`"
    )
    assert sorted(result.unchanged) == [FIRST, SECOND]
    assert len(keys(lake)) == 60
    assert unpublished(Lake.of(lake.settings), "orders", [FIRST]) != []
    again = lake.ingest(FIRST, force=True)
    assert again.refused == result.refused
    assert lake.branches() == [result.refused[FIRST].branch]

    lake.session = spark
    lake.land(FIRST, *GOOD)
    back = lake.ingest(FIRST)
    assert (back.refused, sorted(back.unchanged), lake.branches()) == ({}, [FIRST], [])


def test_a_day_rewritten_with_a_part_of_its_events_is_refused_and_good_days_go_through(lake: SmallLake) -> None:
    published(lake, FIRST)
    lake.land(FIRST, *GOOD[10:])
    lake.land(SECOND, *GOOD)

    result = lake.ingest(FIRST, SECOND)

    assert result.refused[FIRST].reason.startswith(
        "orders, 2026-01-01: 10 published events are gone: ids 1, 2, 3, 4, 5 … (and 5 more); expected"
    )
    assert sorted(result.published) == [SECOND]
    assert len(keys(lake)) == 60
    audited = lake.ledger.refused[FIRST].audited
    assert audited is not None
    assert (audited.published, audited.gone) == (20, 10)


SAME_EVENTS: dict[str, Callable[[SmallLake], object]] = {
    "values corrected": lambda lake: lake.land(FIRST, *(row | {"status": "shipped"} for row in GOOD)),
    "delivered again": lambda lake: lake.land(FIRST, *(row | {"__ts_ms": NOON + 7} for row in GOOD)),
    "renamed": lambda lake: lake.path(FIRST).rename(lake.path(FIRST, "b.parquet")),
    "in two files": lambda lake: (lake.land(FIRST, *GOOD[:9]), lake.land(FIRST, *GOOD[9:], file="b.parquet")),
    "a late file": lambda lake: lake.land(FIRST, order(31, 31), file="late.parquet"),
}


@pytest.mark.parametrize("change", spread(SAME_EVENTS, everyday=1, slow=1))
def test_events_that_are_corrected_or_moved_to_other_files_are_not_gone(lake: SmallLake, change: str) -> None:
    published(lake, FIRST)
    SAME_EVENTS[change](lake)
    result = lake.ingest(FIRST)
    assert (result.refused, sorted(result.published)) == ({}, [FIRST])


def test_an_event_that_comes_less_often_is_gone(lake: SmallLake) -> None:
    """Insert, delete, insert of one key share an LSN; a snapshot row has none and is known by its time."""
    lake.land(FIRST, order(1, 5), order(1, 5, "d"), order(1, 5, __ts_ms=NOON + 1), order(2, None, "r"), order(3, 6))
    assert counts(lake.ingest(FIRST), FIRST)[1] == 5
    lake.land(FIRST, order(1, 5), order(1, 5, "d"), order(2, None, "r", __ts_ms=NOON + 9), order(3, 6, "u"))
    assert (
        lake.ingest(FIRST)
        .refused[FIRST]
        .reason.startswith("orders, 2026-01-01: 3 published events are gone: ids 1, 2, 3; expected")
    )


@pytest.mark.soak
def test_a_row_that_is_rewritten_as_unreadable_is_not_absent(lake: SmallLake) -> None:
    many = [order(key, key) for key in range(1, 401)]
    lake.land(FIRST, *many)
    lake.ingest(FIRST)
    # One row with a bad amount, one without its key, one without its LSN.
    lake.land(FIRST, *many[:-3], order(398, 398, total_amount="much"), order(None, 399), order(400, None))
    result = lake.ingest(FIRST)
    assert (result.refused, counts(result, FIRST)) == ({}, (400, 397, 3, 0))

    # The unreadable row of another key does not stand for the event that is gone.
    lake.land(FIRST, *many[1:-3], order(398, 398, total_amount="much"), order(None, 399), order(400, None))
    assert "1 published event is gone: id 1; expected" in lake.ingest(FIRST).refused[FIRST].reason


@pytest.mark.slow
def test_withdrawing_publishes_what_was_audited_and_belongs_to_that_content(lake: SmallLake) -> None:
    published(lake, FIRST, SECOND)
    lake.land(FIRST, *GOOD[10:])
    lake.ingest(FIRST)
    record = lake.withdraw(FIRST)

    assert (record.published, record.by_hand and record.by_hand.withdrawn) == (20, 10)
    assert len(keys(lake)) == 50
    assert (dict(lake.ledger.refused), lake.branches()) == ({}, [])
    for result in (lake.ingest(FIRST), lake.ingest(FIRST, force=True)):
        assert (result.refused, result.records[FIRST].by_hand) == ({}, record.by_hand)
    assert day_metadata(result, FIRST)["events_withdrawn_by_hand"] == 10
    assert row_conservation(Lake.of(lake.settings), "orders", [FIRST]).passed
    (line,) = decided_days(Lake.of(lake.settings), published=True)
    assert (line.state, line.events_gone, line.published_by) == ("withdrawn by hand", 10, "ada")

    lake.path(FIRST).unlink()
    assert "20 published events are gone" in lake.ingest(FIRST).refused[FIRST].reason
    assert counts(lake.ingest(SECOND), SECOND) == (30, 30, 0, 0)
    assert lake.withdraw(FIRST).published == 0
    assert (counts(lake.ingest(FIRST, force=True), FIRST), len(keys(lake))) == ((0, 0, 0, 0), 30)

    lake.land(FIRST, *GOOD)
    assert counts(lake.ingest(FIRST), FIRST) == (30, 30, 0, 0)
    assert lake.ledger.published[FIRST].by_hand is None


def test_only_withdraw_gives_events_up_and_it_gives_up_nothing_else(lake: SmallLake) -> None:
    published(lake, FIRST)
    lake.path(FIRST).unlink()
    lake.land(SECOND, order(1, 1), order(2, None))
    lake.ingest(FIRST, SECOND)
    plain = Decision("known", "ada", "2026-01-05T08:00:00+00:00", "hand-1")
    with pytest.raises(OverruleError, match="gives up 30 published events, which only `--withdraw` does"):
        publish_refused(Lake.of(lake.settings), ORDERS, FIRST, plain)
    with pytest.raises(OverruleError, match="no published event is gone, so there is nothing to withdraw"):
        lake.withdraw(SECOND)
    assert len(keys(lake)) == 30


def test_the_command_line_withdraws_with_a_reason(lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> None:
    published(lake, FIRST)
    lake.path(FIRST).unlink()
    lake.ingest(FIRST)
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(lake.settings.data_dir))
    command = ["refused", "publish", "orders", "2026-01-01", "--reason", "test orders"]
    refused = CliRunner().invoke(app, command)
    assert (refused.exit_code, "--withdraw" in refused.output, len(keys(lake))) == (1, True, 30)
    withdrawn = CliRunner().invoke(app, [*command, "--withdraw"])
    assert (withdrawn.exit_code, '"withdrawn": 30' in withdrawn.output, keys(lake)) == (0, True, [])
    assert '"override": {' in withdrawn.output, "scripts read it by this name"


@pytest.mark.slow
def test_a_day_past_retention_may_be_empty_but_not_have_a_part_of_its_events(lake: SmallLake) -> None:
    landing = lake.settings.landing.model_copy(update={"retention_days": 1})
    lake.settings = lake.settings.model_copy(update={"landing": landing})
    published(lake, FIRST, SECOND, THIRD)
    for day in (FIRST, SECOND):
        lake.path(day).unlink()

    result = lake.ingest(FIRST, SECOND, THIRD, force=True)

    assert (sorted(result.refused), result.retained, result.warnings) == ([SECOND], (FIRST,), {})
    assert "ECOMMERCE_LANDING__RETENTION_DAYS" in day_metadata(result, FIRST)["landing_files"]
    assert len(keys(lake)) == 90

    lake.land(FIRST, *GOOD[:29])
    refused = lake.ingest(FIRST).refused[FIRST]
    assert "1 published event is gone: id 30; expected" in refused.reason
    assert "a day more than 1 days before the highest published one may have no files at all" in refused.reason
    lake.path(FIRST).unlink()
    assert (lake.ingest(FIRST).refused, lake.branches()) == ({}, [lake.ledger.refused[SECOND].branch])


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (Gone(1, 1, ("7",)), "1 published event is gone: id 7;"),
        (Gone(3, 2, ("7", "8")), "3 published events are gone: ids 7, 8;"),
        (Gone(20, 20, ("1", "2", "3", "4", "5"), "code"), "gone: codes 1, 2, 3, 4, 5 … (and 15 more);"),
        (Gone(20, 0), "20 published events are gone;"),
    ],
)
def test_a_refusal_names_how_many_events_are_gone_and_the_first_keys(gone: Gone, words: str) -> None:
    assert words in absence_reason("orders", FIRST, gone)
