"""Commits that meet: they back off at random, within a stated time, and all get through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyiceberg.exceptions import CommitFailedException

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.backoff import COMMIT_SECONDS, Backoff
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.settings import Settings


class Clock:
    """Time that passes only by waiting, and by `step` at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 100.0, step
        self.waited: list[float] = []

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


def backoff(clock: Clock, seconds: float, share: float = 1.0) -> Backoff:
    return Backoff(seconds, sleep=clock.sleep, clock=clock, between=lambda low, high: low + share * (high - low))


def test_the_limit_of_a_pause_doubles_up_to_four_seconds() -> None:
    clock = Clock()
    tries = backoff(clock, 20)
    assert [tries.pause() for _ in range(9)] == [True] * 9
    assert clock.waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0]


def test_the_pauses_never_reach_beyond_the_time_that_is_stated() -> None:
    for seconds, share, step in ((1.0, 1.0, 0.0), (COMMIT_SECONDS, 0.5, 0.3), (5.0, 0.01, 0.5)):
        clock = Clock(step)
        tries = backoff(clock, seconds, share)
        while tries.pause():
            assert clock.now <= 100.0 + step + seconds
        assert clock.waited, "at least one more try"


def test_a_pause_is_drawn_between_nothing_and_its_limit() -> None:
    clock = Clock()
    tries = Backoff(sleep=clock.sleep, clock=clock)
    for limit in (0.05, 0.1, 0.2):
        assert tries.pause()
        assert 0 <= clock.waited[-1] <= limit


def test_many_writers_of_one_table_all_get_through(local_settings: Settings) -> None:
    contract = load_contracts()["users"]
    ensure_event_table(open_catalog(Lake.of(local_settings)), Lake.of(local_settings), contract)

    def write(number: int) -> None:
        catalog = open_catalog(Lake.of(local_settings))
        table = Lake.of(local_settings).load("ecommerce.users")
        publishing.start_branch(catalog, table, publishing.audit_branch(f"writer{number}", 1))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(12)))

    refs = Lake.of(local_settings).load("ecommerce.users").metadata.refs
    assert {publishing.audit_branch(f"writer{number}", 1) for number in range(12)} <= set(refs)


def test_a_commit_that_always_meets_another_ends_with_the_conflict(
    local_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_catalog(Lake.of(local_settings))
    table = ensure_event_table(catalog, Lake.of(local_settings), load_contracts()["users"])
    clock, tries = Clock(), []

    class Busy:
        def load_table(self, name: Any) -> Any:
            return catalog.load_table(name)

        def commit_table(self, *_: Any) -> None:
            tries.append(clock.now)
            raise CommitFailedException("another writer was faster")

    monkeypatch.setattr(publishing, "Backoff", lambda: backoff(clock, COMMIT_SECONDS))
    with pytest.raises(CommitFailedException, match="another writer was faster"):
        publishing.start_branch(Busy(), table, "audit_x_1")  # type: ignore[arg-type]
    assert len(tries) > 15
    assert tries[-1] - tries[0] <= COMMIT_SECONDS
