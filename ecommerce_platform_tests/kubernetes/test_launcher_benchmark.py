"""The benchmark of executors, with a day of a few orders: the platform's own step in pods, and where its seconds went."""

from __future__ import annotations

import pytest

from benchmarks import executors
from ecommerce_platform.contracts import source_tables

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("launcher_namespace")]
ORDERS = 200


def test_the_day_is_published_in_pods_and_its_seconds_are_accounted_for() -> None:
    outcome = executors.day(executors.ONE, ORDERS, executors=1).run()
    assert isinstance(outcome.result, dict)
    assert outcome.result.keys() == set(source_tables())
    assert outcome.result["orders"] >= ORDERS
    assert outcome.seconds is not None
    in_turn = ("until_first_job", "job", "between_jobs", "after_last_job")
    assert sum(outcome.figures[f"{part}_seconds"] for part in in_turn) == pytest.approx(outcome.seconds)
    assert outcome.figures["task_seconds"] > 0
