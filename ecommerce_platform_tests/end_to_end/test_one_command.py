"""The sample shop by the commands of the README, in fresh processes with nothing started before; then what came out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from ecommerce_platform.sample_shop import SampleReport, generate_sample
from ecommerce_platform_tests.dagster_home import instance_of
from ecommerce_platform_tests.end_to_end.oracle import Truth, truth
from ecommerce_platform_tests.end_to_end.platform import (
    Platform,
    Run,
    assert_spark_agrees,
    assert_true,
    outcome,
)

pytestmark = pytest.mark.slow

START = date(2026, 1, 1)
DAYS = tuple(START + timedelta(days=number) for number in range(14))
#: What the faults planted in the speed layer must turn red, and nothing else may.
RED = frozenset(
    {
        "reconciliation/daily_business_metrics:total_revenue",
        "reconciliation/daily_business_metrics:avg_order_value",
    }
)


@dataclass
class Shop:
    """The sample shop after the command."""

    platform: Platform
    sample: SampleReport
    truth: Truth
    command: subprocess.CompletedProcess[str]
    run: Run


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    home = folder / "dagster_home"
    sample = generate_sample(folder / "landing", folder / "realtime", start=START, days=len(DAYS), orders_per_day=200)
    with Platform.installed(folder / "data", folder / "landing") as platform:
        loaded = platform.shell(home, "ecommerce-platform", "realtime", "load", str(folder / "realtime"))
        assert loaded.returncode == 0, loaded.stderr
        command = platform.shell(
            home,
            *("dagster", "asset", "materialize", "-m", "ecommerce_platform.definitions", "--select", "*"),
            *("--partition-range", f"{DAYS[0]}...{DAYS[-1]}"),
        )
        with instance_of(home) as instance:
            [run] = instance.get_runs()
            events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
            ended = outcome(events, run.is_success)
        yield Shop(platform, sample, truth(folder / "landing", DAYS), command, ended)


def test_every_table_equals_what_the_landing_files_say(shop: Shop) -> None:
    assert_true(shop.platform, shop.truth)


def test_spark_and_dbt_agree_exactly(shop: Shop) -> None:
    assert_spark_agrees(shop.platform)


def test_every_landed_row_is_published_quarantined_or_a_duplicate(shop: Shop) -> None:
    assert shop.platform.counts() == dict(shop.truth.counts)
    unreadable = {
        (table, day): count for table, days in shop.sample.unreadable.items() for day, count in days.items() if count
    }
    assert {key: counts.quarantined for key, counts in shop.truth.counts.items() if counts.quarantined} == unreadable


def test_the_planted_faults_turn_exactly_their_checks_red(shop: Shop) -> None:
    assert shop.run.failed_checks == RED, shop.command.stderr[-3000:]
    assert shop.command.returncode != 0


def test_every_planted_fault_is_found_and_nothing_else(shop: Shop) -> None:
    order_ids = shop.platform.query("select distinct order_id from reconciliation.order_discrepancies")

    assert {row["order_id"] for row in order_ids} == {fault.order_id for fault in shop.sample.faults}
