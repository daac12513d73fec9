"""A very large first snapshot: written by parts on its branch, published as one, equal to what one commit makes of it."""

from __future__ import annotations

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import ArrivedFile, DayArrival
from ecommerce_platform.lakehouse.decode.physical import Footer
from ecommerce_platform.lakehouse.ingest.write import plan_parts
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, THIRD, SmallLake, counts, order

COLUMNS = ("id", "__op", "__source_lsn", "status", "total_amount", "__source_file", "__source_row", "date")


class KilledError(BaseException):
    """Stands for a kill: no handler of the platform catches it."""


def by_parts(settings: Settings, rows: int) -> Settings:
    lakehouse = settings.lakehouse.model_copy(update={"rows_per_part": rows})
    landing = settings.landing.model_copy(update={"max_quarantined_share": 1})
    return settings.model_copy(update={"lakehouse": lakehouse, "landing": landing})


def land_snapshot(lake: SmallLake) -> None:
    """211 rows in two files, some of them copies of each other, some no events; and a small day beside it."""
    rows = [order(key, None, "r") for key in range(1, 101)]
    lake.land(FIRST, *rows, order(None, 900), order(901, None))
    lake.land(FIRST, *rows, order(5, 7, "u", status="shipped"), *[order(6, 8)] * 3, order(903, -1), file="b.parquet")
    lake.land(FIRST, *(order(key, key) for key in range(201, 205)), file="c.parquet")
    lake.land(SECOND, order(1, 1000, "u"))


@pytest.mark.slow
def test_a_large_day_by_parts_equals_the_same_day_in_one_commit(lake: SmallLake) -> None:
    land_snapshot(lake)
    whole = lake.settings
    lake.settings = by_parts(whole, 50)
    steps: list[str] = []
    lake.reached = lambda table, step: steps.append(step)

    parted = lake.ingest(FIRST, SECOND)

    assert [step for step in steps if step.startswith("part")] == [
        f"part {number} of 5 of {FIRST}" for number in range(1, 6)
    ]
    assert counts(parted, FIRST) == (211, 106, 3, 102)
    assert counts(parted, SECOND) == (1, 1, 0, 0)
    rows = lake.rows(*COLUMNS)
    reasons = sorted(lake.quarantined("reason", "source_file", "source_row"))
    assert lake.branches() == []

    lake.settings = by_parts(whole, 10_000)
    once = lake.ingest(FIRST, force=True)
    assert counts(once, FIRST) == counts(parted, FIRST)
    assert once.records[FIRST].content_id == parted.records[FIRST].content_id
    assert lake.rows(*COLUMNS) == rows
    assert sorted(lake.quarantined("reason", "source_file", "source_row")) == reasons


@pytest.mark.slow
def test_a_run_that_dies_between_two_parts_publishes_nothing_and_the_next_one_does_all(lake: SmallLake) -> None:
    land_snapshot(lake)
    lake.settings = by_parts(lake.settings, 80)

    def die(table: str, step: str) -> None:
        if step.startswith("part 2"):
            raise KilledError(step)

    lake.reached = die
    with pytest.raises(KilledError):
        lake.ingest(FIRST)
    assert (lake.rows("id"), dict(lake.ledger.published)) == ([], {})

    lake.reached = lambda table, step: None
    assert counts(lake.ingest(FIRST), FIRST) == (211, 106, 3, 102)
    assert lake.branches() == []


@pytest.mark.soak
def test_a_publication_between_two_parts_makes_the_day_be_written_again(lake: SmallLake) -> None:
    """It drops the branch, which Iceberg would recreate on the new main, without the first part."""
    land_snapshot(lake)
    lake.land(THIRD, order(700, 700))
    lake.settings = by_parts(lake.settings, 120)
    done: list[str] = []

    def other_run(table: str, step: str) -> None:
        if step.startswith("part 1") and not done:
            done.append(step)
            lake.ingest(THIRD)

    lake.reached = other_run
    result = lake.ingest(FIRST)

    assert result.refused == {}
    assert counts(result, FIRST) == (211, 106, 3, 102)
    assert len(lake.rows("id")) == 107
    assert lake.branches() == []
    assert len(Lake.of(lake.settings).load("ecommerce.orders").snapshots()) > 3


@pytest.mark.parametrize(("rows", "parts"), [((10, 20, 0), [(3, 1)]), ((10, 101, 5), [(2, 1), (1, 3), (1, 3), (1, 3)])])
def test_only_days_above_the_limit_are_divided(rows: tuple[int, ...], parts: list[tuple[int, int]]) -> None:
    days = [
        DayArrival("orders", day, (ArrivedFile("f", "f", 1, "", "", Footer((), number)),), "content")
        for day, number in zip((FIRST, SECOND, THIRD), rows, strict=True)
    ]
    assert [(len(part.arrivals), part.of) for part in plan_parts(days, 50)] == parts
