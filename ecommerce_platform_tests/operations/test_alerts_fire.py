"""Each alert fires by its trouble, caused for real, and is silent again when that is mended: Prometheus scrapes the exporter of
an installation that runs. The tests build on one another's days, in their order.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest
import yaml

from ecommerce_platform.operations.notifications.sensor import State
from ecommerce_platform.settings import PROJECT_DIR
from ecommerce_platform_tests.operations.prometheus import PROMETHEUS, RULES, wait_until
from ecommerce_platform_tests.operations.watched import Watched, watched
from ecommerce_platform_tests.operations.webhook_receiver import Receiver, receiver

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed: apt-get install prometheus"),
]
FIRED: set[str] = set()


@pytest.fixture(scope="module")
def shop(spark_application: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watched")) as shop_watched:
        yield shop_watched


def fires(shop: Watched, alert: str, seconds: float = 60, since: float | None = None, **labels: str) -> dict[str, str]:
    fired = shop.prometheus.fires(alert, seconds, since, **labels)
    FIRED.add(alert)
    return fired


def test_nothing_fires_while_all_is_well(shop: Watched) -> None:
    for rule in (rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]):
        # Days 3 and 4, yesterday and today, have not landed: that day is late from 06:00 UTC on, and nothing runs any more.
        if rule["alert"] not in ("BatchJobFailure", "MartsStale"):
            assert not shop.prometheus.firing(rule["alert"]), rule["alert"]


def test_days_that_land_and_are_not_loaded(shop: Watched) -> None:
    shop.land(3)
    shop.land(4)
    shop.rows_that_are_no_events(4, 150)
    cut_off = next(shop.folder("orders", 3).glob("*.parquet"))
    cut_off.write_bytes(cut_off.read_bytes()[:100])
    fires(shop, "PartitionLag", table="orders")


def test_a_stage_that_nothing_computes(shop: Watched) -> None:
    fires(shop, "MartsStale", 180, stage="marts")


def test_a_day_with_a_broken_file_and_one_with_rows_that_are_no_events(shop: Watched) -> None:
    begun = time.time()
    assert not shop.run(3, 4)
    shop.prometheus.is_silent("MartsStale", 10, stage="marts")
    fires(shop, "DayRefused", table="orders")
    fires(shop, "QuarantineGrows", since=begun, table="products")
    fires(shop, "BatchJobFailure", job_name="daily_batch")
    fires(shop, "BlockingCheckFailed", since=begun, asset="iceberg/orders", check="all_days_published")
    shop.prometheus.is_silent("PartitionLag")


def test_the_mended_day_resolves_them(shop: Watched) -> None:
    shop.land(3)
    assert shop.run(3, 4)
    for alert in ("DayRefused", "QuarantineGrows", "BatchJobFailure", "BlockingCheckFailed"):
        shop.prometheus.is_silent(alert)


def test_a_speed_layer_that_counts_ten_times_as_much(shop: Watched) -> None:
    shop.break_speed_layer()
    assert not shop.run(4, 4, "group:reconciliation")
    fires(shop, "HighReconciliationDiscrepancy", metric="total_revenue", user_tier="all")
    fires(shop, "LayersDoNotConverge")
    shop.mend_speed_layer()
    assert shop.run(4, 4, "group:reconciliation")
    shop.prometheus.is_silent("HighReconciliationDiscrepancy")
    shop.prometheus.is_silent("LayersDoNotConverge")


def test_a_model_that_breaks(shop: Watched) -> None:
    shop.sql("drop table intermediate.int_customer_metrics")
    begun = time.time()
    assert not shop.run(4, 4, 'key:"marts/customer_analytics"')
    fires(shop, "dbtModelFailure", since=begun, model_name="mart_customer_analytics")
    shop.run(4, 4, 'key:"intermediate/int_customer_metrics" or key:"marts/customer_analytics"')
    shop.prometheus.is_silent("dbtModelFailure")


def test_a_source_that_is_away(shop: Watched) -> None:
    landing = shop.settings.data_dir / "landing"
    landing.rename(shop.settings.data_dir / "moved")
    fires(shop, "ExporterCannotRead", source="tables")
    (shop.settings.data_dir / "moved").rename(landing)
    shop.prometheus.is_silent("ExporterCannotRead")


def test_an_exporter_that_dies_and_comes_back_with_the_same_counts(shop: Watched) -> None:
    runs = "sum by (job_name, outcome) (ecommerce_runs_total)"
    before = shop.prometheus.query(runs)
    shop.kill("exporter")
    fires(shop, "ExporterDown")
    shop.start_exporter()
    shop.prometheus.is_silent("ExporterDown", 120)
    # It answers before it has read the log, and shows no counts until then.
    assert shop.prometheus.shows(runs, 60)
    after = shop.prometheus.query(runs)
    assert {(str(item["metric"]), item["value"][1]) for item in before} == {
        (str(item["metric"]), item["value"][1]) for item in after
    }


def test_a_backfill_whose_run_is_killed_and_its_resumption(shop: Watched) -> None:
    shop.start_daemon()
    launched = shop.command("backfill", "run", str(shop.day(3)), str(shop.day(4)))
    assert launched.returncode == 0, launched.stderr
    run_id, pid = shop.pid_of_run(240)
    # Failures before the first tick of the notifications are not reported.
    wait_until(lambda: State.load(shop.instance).position.last is not None, 240, "the notifications tick")
    fires(shop, "RunStuck")
    os.kill(pid, signal.SIGKILL)
    fires(shop, "BatchJobFailure", job_name="__ASSET_JOB")
    shop.prometheus.is_silent("RunStuck")
    fires(shop, "NotificationsWait", 120)
    with receiver(Receiver(port=shop.receiver_port)) as back:
        wait_until(
            lambda: any(body["facts"].get("run_id") == run_id for body in back.bodies),
            180,
            "the killed run is reported",
        )
        shop.prometheus.is_silent("NotificationsWait")
    wait_until(lambda: "has not ended" not in shop.command("backfill", "resume").stderr, 180, "the backfill resumes")
    shop.prometheus.is_silent("BatchJobFailure", 300, job_name="__ASSET_JOB")
    status = shop.command("backfill", "status", "--format", "json")
    assert {day["stage"] for day in json.loads(status.stdout)} == {"in the marts"}


def test_a_daemon_that_dies(shop: Watched) -> None:
    shop.kill("daemon")
    fires(shop, "DaemonDown", 120, daemon="SENSOR")
    shop.start_daemon()
    shop.prometheus.is_silent("DaemonDown", 240, daemon="SENSOR")


def test_every_panel_of_every_dashboard_shows_something(shop: Watched) -> None:
    empty = []
    for path in sorted((PROJECT_DIR / "helm" / "ecommerce-platform" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"]
                for variable in ("$date", "$metric", "$user_tier"):
                    expression = expression.replace(variable, ".*")
                if not shop.prometheus.shows(expression, 10):
                    empty.append(f"{path.name}: {panel['title']}: {expression}")
    assert not empty, "\n".join(empty)


def test_every_alert_has_fired(shop: Watched) -> None:
    rules = (rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"])
    assert not set(rules) - FIRED
