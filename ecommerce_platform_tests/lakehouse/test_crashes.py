"""A run that dies between any two steps: readers see the last good state, and running again mends the rest."""

from __future__ import annotations

import pytest

from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, counts, order

STEPS = ("branched", "written", "quarantined", "audited", "published")


class KilledError(BaseException):
    """Stands for a kill: no handler of the platform catches it."""


def kill_at(boundary: str) -> object:
    def reached(table: str, step: str) -> None:
        if step == boundary:
            raise KilledError(step)

    return reached


@pytest.mark.parametrize("step", spread(STEPS, everyday=2, slow=1))
def test_a_killed_run_leaves_the_last_good_state_and_the_next_run_finishes_it(lake: SmallLake, step: str) -> None:
    lake.land(FIRST, *(order(key, key) for key in range(1, 101)), order(None, 900))
    lake.ingest(FIRST)
    lake.land(FIRST, *(order(key, key) for key in range(1, 102)), order(None, 900), order(5, 5))
    lake.land(SECOND, order(200, 200))
    lake.reached = kill_at(step)  # type: ignore[assignment]

    with pytest.raises(KilledError):
        lake.ingest(FIRST, SECOND)

    published = step == "published"
    assert len(lake.rows("id")) == (102 if published else 100)
    assert lake.ledger.published[FIRST].landed == (103 if published else 101)

    lake.reached = lambda table, step: None
    result = lake.ingest(FIRST, SECOND)

    assert counts(result, FIRST) == (103, 101, 1, 1)
    assert counts(result, SECOND) == (1, 1, 0, 0)
    assert len(lake.rows("id")) == 102
    assert lake.branches() == []
    current = {record.content_id for record in lake.ledger.published.values()}
    assert [row for row in lake.quarantined("content_id") if row[0] in current] == [(result.records[FIRST].content_id,)]


def test_two_runs_of_the_same_days_at_once_publish_them_once(lake: SmallLake) -> None:
    lake.land(FIRST, order(1, 1), order(2, 2))
    outer = lake.reached

    def other_run_comes_between(table: str, step: str) -> None:
        if step == "audited":
            lake.reached = outer
            lake.ingest(FIRST)

    lake.reached = other_run_comes_between
    result = lake.ingest(FIRST)

    assert (result.published, sorted(result.unchanged)) == ({}, [FIRST])
    assert [key for (key,) in lake.rows("id")] == [1, 2]
    assert lake.branches() == []
