"""The oracle's SQL and a model in plain Python say the same of random histories, so that the oracle can be believed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecommerce_platform_tests.end_to_end.compare import assert_same
from ecommerce_platform_tests.end_to_end.history import Change, day, write_landing
from ecommerce_platform_tests.end_to_end.oracle import Truth, truth
from ecommerce_platform_tests.properties import model
from ecommerce_platform_tests.properties.random_history import DAYS, TABLES, random_changes

histories = st.randoms(use_true_random=False).map(lambda random: random_changes(random))
STATE_TABLES = {table: f"staging.{table}_enhanced" for table in TABLES}


def oracle_of(changes: list[Change]) -> Truth:
    with TemporaryDirectory() as folder:
        return truth(write_landing(Path(folder), changes), [day(number) for number in DAYS])


def check(changes: list[Change]) -> None:
    computed = oracle_of(changes)
    for table, staging in STATE_TABLES.items():
        expected = [
            {
                name: Decimal(value) if name in ("price", "total_amount", "unit_price") and value else value
                for name, value in row.items()
                if not name.startswith("__")
            }
            for row in model.state(changes, table).values()
        ]
        assert_same(computed.tables[staging].to_pylist(), expected, ("id",), what=staging, only_expected_columns=True)
        copies = model.duplicates(changes, table)
        assert {number: computed.counts[table, day(number)].duplicates for number in DAYS} == {
            number: copies[day(number)] for number in DAYS
        }
    mart = "marts.daily_business_metrics"
    assert_same(computed.tables[mart].to_pylist(), model.daily_business_metrics(changes), ("date",), what=mart)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(histories)
def test_small_histories_give_the_state_and_the_daily_figures_of_the_model(changes: list[Change]) -> None:
    check(changes)


def test_a_thousand_histories_side_by_side_give_the_state_and_the_daily_figures_of_the_model() -> None:
    random = Random(20260101)
    changes = [change for number in range(1000) for change in random_changes(random, first_id=1 + 100 * number)]

    check(changes)
