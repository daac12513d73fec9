"""What of a real event log becomes a notification, and when."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.operations.notifications import watch
from ecommerce_platform.operations.notifications.sensor import build_sensor
from ecommerce_platform.operations.notifications.watch import Position, _failed_check, day_due, read_news
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.operations.office import Office
from ecommerce_platform_tests.operations.webhook_receiver import Receiver


def test_a_failed_run_is_reported_with_its_error_and_links(office: Office, post: Receiver) -> None:
    office.run(fails=True)
    office.tick()
    (body,) = post.bodies
    assert body["kind"] == "run_failed"
    assert body["severity"] == "critical"
    assert "2026-01-01" in body["title"]
    assert body["text"] == "• marts/daily: ValueError"
    urls = {link["label"]: link["url"] for link in body["links"]}
    assert urls["Run in Dagster"] == f"https://dagster.example/runs/{body['facts']['run_id']}"
    assert urls["Runbook"] == "docs/runbook.md#batchjobfailure"
    assert post.headers[0]["Authorization"] == "Bearer token"
    assert post.headers[0]["Idempotency-Key"] == body["key"]


def test_what_failed_before_the_first_tick_is_no_news(tmp_path: Path, office: Office, post: Receiver) -> None:
    office.instance.daemon_cursor_storage.set_cursor_values({"ecommerce_platform/notifications": ""})
    office.run(fails=True)
    office.tick()
    office.run(fails=True, day="2026-01-02")
    office.tick()
    assert [body["facts"]["days"] for body in post.bodies] == ["2026-01-02"]


def test_a_failed_blocking_check_is_reported_apart_from_its_run(office: Office, post: Receiver) -> None:
    office.run(check=False)
    office.tick()
    kinds = {body["kind"]: body for body in post.bodies}
    assert set(kinds) == {"run_failed", "check_failed"}
    assert "marts/daily adds_up: 2 rows too many" in kinds["check_failed"]["text"]


def test_confirmed_discrepancies_are_reported_once_and_again_when_they_change(office: Office, post: Receiver) -> None:
    for orders in ("7, 9", "7, 9", "7, 9, 11"):
        office.run(check=False, orders=orders)
        office.tick()
    texts = [body["text"] for body in post.bodies if body["kind"] == "discrepancy_confirmed"]
    assert texts == ["2 rows too many: 7, 9", "2 rows too many: 7, 9, 11"]


def test_the_same_failure_by_a_retry_is_reported_once_and_after_a_success_again(office: Office, post: Receiver) -> None:
    for fails in (True, True, False, True):
        office.run(fails=fails)
        office.tick()
    assert len(post.bodies) == 2


def test_a_tick_that_runs_out_of_time_stops_reading_and_the_next_ones_get_to_the_end(office: Office) -> None:
    position = Position()
    settings = office.settings.notifications
    read_news(office.instance, position, settings)
    days = [f"2026-01-0{number}" for number in range(1, 6)]
    for day in days:
        office.run(fails=True, day=day)
    office.run(day="2026-01-06")
    ticks = [read_news(office.instance, position, settings, lambda: True) for _ in range(7)]
    assert [len(news) for news in ticks] == [1] * 6 + [0]
    assert [news[0].scope.split("|")[1] for news in ticks[:6]] == [*days, "2026-01-06"]


def test_news_of_more_than_a_page_come_in_order(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PAGE", 2)
    monkeypatch.setattr(watch, "OVERLAP", 0)
    position = Position()
    read_news(office.instance, position, office.settings.notifications)
    for number in range(1, 8):
        office.run(fails=number != 2, day=f"2026-01-0{number}")
    ticks = [read_news(office.instance, position, office.settings.notifications) for _ in range(8)]
    assert [news.scope.split("|")[1][-1] for tick in ticks for news in tick] == list("1234567")


def test_the_same_failure_is_reported_again_after_a_day(office: Office, post: Receiver) -> None:
    office.run(fails=True)
    office.tick()
    office.now += 25 * 3600
    office.run(fails=True)
    office.tick()
    assert post.titles == [post.titles[0]] * 2


def test_the_text_of_an_error_stays_in_the_run(office: Office, post: Receiver) -> None:
    office.run(fails=True)
    office.tick()
    (body,) = post.bodies
    assert "ValueError" in body["text"]
    assert "is not a number" not in json.dumps(body)


def test_the_rows_of_a_failing_check_stay_with_the_check() -> None:
    failed = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["staging", "orders"]),
        check_name="amount_not_negative",
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        blocking=True,
        description="failed for 1 row: id=5 email=ana@example.com",
        metadata={"failing_rows": dg.MetadataValue.md("| id | email |")},
    )
    (check,) = _failed_check(failed)
    assert check.text == "its rows are with the check"


def test_a_late_day_is_reported_once_from_its_hour_on(office: Office, post: Receiver) -> None:
    office.missing = ("orders",)
    office.now = datetime(2026, 1, 5, 6, 0, tzinfo=UTC).timestamp()
    for _ in range(40):
        office.tick()
        office.now += 60
    assert post.titles == ["2026-01-04 is late"]
    assert "orders" in post.bodies[0]["text"]
    assert office.asked.count(date(2026, 1, 4)) == 3  # not at every tick: a question keeps a warehouse awake


def test_a_day_that_has_come_is_not_asked_for_again(office: Office, post: Receiver) -> None:
    office.now = datetime(2026, 1, 5, 6, 0, tzinfo=UTC).timestamp()
    asked = len(office.asked)
    for _ in range(10):
        office.tick()
        office.now += 3600
    assert office.asked[asked:] == [date(2026, 1, 4)]
    assert post.bodies == []


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 1, 5, 5, 59, tzinfo=UTC), date(2026, 1, 3)),
        (datetime(2026, 1, 5, 6, 0, tzinfo=UTC), date(2026, 1, 4)),
    ],
)
def test_a_day_is_due_at_its_hour(now: datetime, day: date) -> None:
    assert day_due(now, 6) == day


def test_without_an_address_the_sensor_is_off_and_says_what_to_set(local_settings: Settings) -> None:
    sensor = build_sensor(local_settings)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensor.evaluate_tick(dg.build_sensor_context(instance))
    assert "ECOMMERCE_NOTIFICATIONS__SLACK_URL" in str(result.skip_message)


def test_the_sensor_delivers_in_an_ordinary_tick(office: Office, post: Receiver) -> None:
    office.settings = office.settings.model_copy(update={"start_date": date(2999, 1, 1)})
    office.run(fails=True)
    result = build_sensor(office.settings).evaluate_tick(dg.build_sensor_context(office.instance))
    assert result.skip_message == "1 delivered, 0 wait"
    assert len(post.bodies) == 1
