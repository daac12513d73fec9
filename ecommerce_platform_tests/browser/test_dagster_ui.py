"""Dagster's UI as people use it, in a real browser: lineage, a backfill launched by clicks, a failed check, the report.

`make screenshots` runs these tests and keeps what they saw in docs/images.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ecommerce_platform.sample_shop import generate_sample
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.browser import chromium
from ecommerce_platform_tests.dagster_home import instance_of
from ecommerce_platform_tests.end_to_end.platform import Platform

pytestmark = [pytest.mark.slow, pytest.mark.browser]

START = date(2026, 1, 1)
DAYS = tuple(START + timedelta(days=number) for number in range(4))
GROUPS = ("landing", "lakehouse", "analytics", "warehouse", "staging", "intermediate", "marts", "reconciliation")
#: A busy machine may take long over a page or a run; a healthy one takes seconds.
PAGE_MS, RUN_SECONDS, START_SECONDS = 60_000, 300, 240


@dataclass
class Shop:
    """A shop whose days have been through the platform, and the UI that shows them."""

    platform: Platform
    home: Path
    address: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dagster_dev(platform: Platform, home: Path, log: Path) -> Iterator[str]:
    """Webserver and daemon, as `make dev` starts them; yields the address."""
    port = free_port()
    module = "ecommerce_platform.operations.web.dev"
    command = [sys.executable, "-m", module, "-w", "workspace.yaml", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=platform.environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while not answers(f"{address}/server_info"):
            assert process.poll() is None, f"dagster dev ended by itself:\n{log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"dagster dev did not answer:\n{log.read_text()[-3000:]}"
            time.sleep(0.5)
        yield address
    finally:
        # Not SIGINT: a test run in the background of a shell inherits that it is ignored, and so would dagster dev.
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        # Its web server and daemon, too, when it did not end them itself.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    home = folder / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    generate_sample(folder / "landing", folder / "realtime", start=START, days=len(DAYS), orders_per_day=60)
    with Platform.installed(folder / "data", folder / "landing") as platform:
        loaded = platform.shell(home, "ecommerce-platform", "realtime", "load", str(folder / "realtime"))
        assert loaded.returncode == 0, loaded.stderr
        ran = platform.shell(
            home,
            *("dagster", "asset", "materialize", "-m", "ecommerce_platform.definitions", "--select", "*"),
            *("--partition-range", f"{DAYS[0]}...{DAYS[-1]}"),
        )
        assert "dagster" in ran.stderr, ran.stdout[-2000:]
        with dagster_dev(platform, home, folder / "dev.log") as address:
            yield Shop(platform, home, address)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium.page() as page:
        page.set_default_timeout(PAGE_MS)
        expect.set_options(timeout=PAGE_MS)
        yield page


def test_the_lineage_leads_from_landing_to_reconciliation_in_groups(shop: Shop, page: Page) -> None:
    page.goto(f"{shop.address}/asset-groups")
    for group in GROUPS:
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    chromium.keep(page, "lineage")


def test_a_mart_shows_what_it_is_made_of_back_to_the_landing_zone(shop: Shop, page: Page) -> None:
    with chromium.sized(page, 2200, 1250):
        page.goto(
            f"{shop.address}/assets/marts/daily_business_metrics?view=lineage&lineageScope=upstream&lineageDepth=10"
        )
        for group in ("landing", "lakehouse", "warehouse", "staging", "intermediate", "marts"):
            expect(page.get_by_text(group, exact=True).last).to_be_visible()
        expect(page.get_by_text("base_orders", exact=True).first).to_be_visible()
        chromium.keep(page, "lineage-of-a-mart")


def test_an_asset_says_what_it_is_whose_it_is_and_what_its_columns_mean(shop: Shop, page: Page) -> None:
    page.goto(f"{shop.address}/assets/marts/daily_business_metrics")
    for text in (
        "The business by day",
        "data-platform",
        "total_revenue",
        "Sum of the amounts of purchases.",
        "Row count",
        "affected_calendar as (",  # the model's SQL
    ):
        expect(page.get_by_text(text).first).to_be_visible()
    chromium.keep(page, "asset")


def test_a_failed_check_says_which_date_differs_and_by_how_much(shop: Shop, page: Page) -> None:
    worst = shop.platform.query(
        "select metric, date, difference from reconciliation.latest_daily_business_metrics "
        "where user_tier = 'all' and not within_tolerance order by percentage_difference desc limit 1"
    )
    assert worst, "the sample shop's planted faults should put a metric out of tolerance"
    page.goto(
        f"{shop.address}/assets/reconciliation/daily_business_metrics?view=checks&checkDetail={worst[0]['metric']}"
    )
    expect(page.get_by_text("Failed").first).to_be_visible()
    expect(page.get_by_text(re.compile(rf"worst {worst[0]['date']}: speed .*, batch .* % apart")).first).to_be_visible()
    chromium.keep(page, "failed-check")


def test_the_report_that_an_asset_names_opens_and_leads_to_a_business_date(shop: Shop, page: Page) -> None:
    page.goto(f"{shop.address}/assets/reconciliation/convergence")
    named = page.get_by_text(re.compile(r"/reports/index\.html$")).first
    expect(named).to_be_visible()
    page.goto(Path(named.inner_text().strip()).as_uri())
    expect(page.locator("svg").first).to_be_visible()
    chromium.keep(page, "report")
    page.get_by_role("link", name=str(DAYS[1])).first.click()
    expect(page).to_have_title(f"Reconciliation of {DAYS[1]}")
    chromium.keep(page, "report-of-a-day")


def test_a_backfill_launched_by_clicks_runs_its_days_in_one_run_to_the_end(shop: Shop, page: Page) -> None:
    with instance_of(shop.home) as instance:
        before = {run.run_id for run in instance.get_runs()}
        page.goto(f"{shop.address}/assets/iceberg/orders?view=partitions")
        page.get_by_role("button", name="Materialize").first.click()
        expect(page.get_by_role("button", name="Launch backfill")).to_be_visible()
        # The days are older than the 90 that are shown at first.
        page.get_by_text("Show all partitions").click()
        days = page.get_by_placeholder("ex: 2026").last
        days.fill(f"[{DAYS[1]}...{DAYS[2]}]")
        days.press("Enter")
        expect(page.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
        chromium.keep(page, "backfill")
        page.get_by_role("button", name="Launch backfill").click()
        expect(page.get_by_text("Created backfill")).to_be_visible()

        deadline = time.monotonic() + RUN_SECONDS
        while not (ended := [run for run in instance.get_runs() if run.run_id not in before and run.is_finished]):
            assert time.monotonic() < deadline, "the backfill's run did not end in time"
            time.sleep(0.5)
        [run] = ended
        assert run.is_success
        assert run.tags["dagster/asset_partition_range_start"] == str(DAYS[1])
        assert run.tags["dagster/asset_partition_range_end"] == str(DAYS[2])

    page.goto(f"{shop.address}/runs/{run.run_id}")
    expect(page.get_by_text("Success").first).to_be_visible()
    expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    chromium.keep(page, "run")
