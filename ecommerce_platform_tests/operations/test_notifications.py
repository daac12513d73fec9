"""Notifications from a real event log to a real receiver: a dead, slow or broken one loses nothing and blocks nothing."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.operations.notifications import watch
from ecommerce_platform.operations.notifications.message import Kind, Notification, as_slack
from ecommerce_platform.operations.notifications.outbox import (
    MAX_REJECTIONS,
    Outbox,
    RejectedError,
    UnavailableError,
)
from ecommerce_platform.operations.notifications.receivers import post as send_post
from ecommerce_platform.operations.notifications.sensor import LateDay, State, build_sensor, tick
from ecommerce_platform.operations.notifications.watch import Position, _failed_check, day_due, read_news
from ecommerce_platform.settings import NotificationSettings, Settings, load_settings
from ecommerce_platform_tests.operations.webhook_receiver import Receiver, receiver

PARTITIONS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-03-31")


class Office:
    """An installation with an event log of its own, and a clock that the test moves."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance, self.settings = instance, settings
        self.now = datetime(2026, 1, 5, 3, tzinfo=UTC).timestamp()
        self.missing: tuple[str, ...] = ()
        self.asked: list[date] = []

    def tick(self) -> tuple[str, ...]:
        late_day = LateDay(self.settings.operations.day_late_hour_utc, self.settings.start_date, self._ask)
        return tick(self.instance, self.settings.notifications, late_day, clock=lambda: self.now).remarks

    def _ask(self, day: date) -> tuple[str, ...]:
        self.asked.append(day)
        return self.missing

    def run(self, *, fails: bool = False, check: bool | None = None, day: str = "2026-01-01", orders: str = "") -> None:
        key = dg.AssetKey(["reconciliation", "order_discrepancies"] if orders else ["marts", "daily"])

        @dg.asset(key=key, partitions_def=PARTITIONS)
        def made() -> None:
            if fails:
                raise ValueError("the <price> is not a number")

        @dg.asset_check(asset=key, name="confirmed_discrepancies" if orders else "adds_up", blocking=True)
        def checked() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=bool(check), description="2 rows too many", metadata={"orders": orders})

        parts = [made, checked] if check is not None else [made]
        dg.materialize(parts, instance=self.instance, partition_key=day, raise_on_error=False)

    @property
    def waiting(self) -> int:
        return State.load(self.instance).outbox.pending


@pytest.fixture
def post() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, post: Receiver) -> Iterator[Office]:
    settings = load_settings(
        data_dir=tmp_path / "data",
        notifications=NotificationSettings(
            webhook_url=post.url, webhook_token="token", ui_url="https://dagster.example", timeout_seconds=0.3
        ),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        made = Office(instance, settings)
        made.tick()
        yield made


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


def test_a_dead_receiver_loses_nothing_and_gets_all_in_order_when_it_is_back(office: Office) -> None:
    with receiver() as gone:
        url = gone.url
    office.settings = office.settings.model_copy(
        update={"notifications": office.settings.notifications.model_copy(update={"webhook_url": _secret(url)})}
    )
    days = ["2026-01-01", "2026-01-02", "2026-01-03"]
    for day in days:
        office.run(fails=True, day=day)
        assert "token" not in " ".join(office.tick())
    assert office.waiting == 3
    office.now += 3600
    with receiver(gone) as back:
        office.tick()
        assert [body["facts"]["days"] for body in back.bodies] == days
    assert office.waiting == 0


def test_a_receiver_that_answers_500_is_left_alone_for_longer_each_time(office: Office, post: Receiver) -> None:
    post.answer = 500
    office.run(fails=True)
    for _ in range(40):  # twenty minutes of ticks
        office.tick()
        office.now += 30
    assert post.attempts == 5
    assert post.bodies == []
    post.answer = 200
    office.now += 900
    office.tick()
    assert len(post.bodies) == 1


def test_a_slow_receiver_costs_one_timeout_a_tick_and_nothing_is_lost(office: Office, post: Receiver) -> None:
    post.hold.clear()
    for day in ("2026-01-01", "2026-01-02"):
        office.run(fails=True, day=day)
    started = time.monotonic()
    (remark,) = office.tick()
    assert time.monotonic() - started < 5
    assert remark == "webhook: no answer within 0.3 s; 2 wait, tried again in 30 s"
    post.hold.set()
    office.now += 60
    office.tick()
    assert {body["facts"]["days"] for body in post.bodies} == {"2026-01-01", "2026-01-02"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_delivers_nothing(office: Office, post: Receiver, status: int) -> None:
    with receiver() as stranger:
        post.answer, post.location = status, stranger.url
        office.run(fails=True)
        (remark,) = office.tick()
        assert f"it redirects ({status})" in remark
        assert stranger.attempts == 0
        assert stranger.url not in remark
    assert office.waiting == 1
    post.answer = 200
    office.now += 60
    office.tick()
    assert (office.waiting, len(post.bodies)) == (0, 1)


def test_headers_that_drip_cost_the_time_limit_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        enough = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not enough.wait(0.1):
                    connection.sendall(b"X-Drip: drip\r\n")

        threading.Thread(target=drip, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"no answer within 0\.5 s"):
            send_post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, 0.5)
        assert time.monotonic() - started < 5
        enough.set()


@pytest.mark.parametrize("url", ["http://alerts.example/hook", "http://127.evil.example/hook", "http://10.0.0.7/hook"])
def test_a_token_goes_over_https_only(url: str) -> None:
    with pytest.raises(UnavailableError, match="https:// only"):
        send_post(url, b"{}", {"Authorization": "Bearer token"}, 1, secret=True)


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


def test_one_dead_receiver_does_not_keep_another_from_its_messages(office: Office, post: Receiver) -> None:
    slack = office.settings.notifications.model_copy(update={"slack_url": _secret("http://127.0.0.1:9/slack")})
    office.settings = office.settings.model_copy(update={"notifications": slack})
    office.run(fails=True)
    (remark,) = office.tick()
    assert remark.startswith("slack: it cannot be reached (ConnectionRefusedError)")
    assert len(post.bodies) == 1
    assert office.waiting == 1


def test_a_crash_after_sending_repeats_the_message_with_its_key(
    office: Office, post: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.run(fails=True)
    saves = []

    def save_once(self: State, instance: dg.DagsterInstance) -> None:
        saves.append(1)
        if len(saves) > 1:
            raise KeyboardInterrupt
        real(self, instance)

    real = State.save
    monkeypatch.setattr(State, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        office.tick()
    monkeypatch.undo()
    office.tick()
    assert len(post.bodies) == 2
    assert post.bodies[0]["key"] == post.bodies[1]["key"]
    assert office.waiting == 0


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


def a_message(key: str, text: str = "a < b & c") -> Notification:
    links = (("Run", "https://dagster.example/runs/1"),)
    return Notification(key, Kind.RUN_FAILED, "scope", "daily_batch failed", text, links, 0.0)


def test_slack_gets_its_blocks_with_its_characters_escaped() -> None:
    body = as_slack(a_message("1"))
    assert body["text"] == "daily_batch failed"
    assert "a &lt; b &amp; c" in body["blocks"][0]["text"]["text"]
    assert body["blocks"][1]["elements"][0]["text"] == "<https://dagster.example/runs/1|Run>"


def test_a_long_text_is_cut_to_what_slack_takes() -> None:
    body = as_slack(a_message("1", "\n".join(["a line of some length"] * 1000)))
    assert len(body["blocks"][0]["text"]["text"]) < 3000


def test_a_message_that_is_rejected_does_not_hold_up_those_behind_it_and_leaves_in_the_end() -> None:
    outbox, taken, now = Outbox(), [], [0.0]

    def send(name: str, message: Notification) -> None:
        if message.key == "bad":
            raise RejectedError("it rejected the message with 400")
        taken.append(message.key)

    for key in ("bad", "good"):
        outbox.add(a_message(key), ["webhook"], 0.0, 60)
    for _ in range(MAX_REJECTIONS):
        outbox.deliver(send, lambda: now[0], now[0] + 10)
        now[0] += 1000
    assert taken == ["good"]
    assert outbox.pending == 0


def test_an_outbox_goes_to_text_and_back() -> None:
    def away(name: str, message: Notification) -> None:
        raise UnavailableError("away")

    outbox = Outbox()
    outbox.add(a_message("1"), ["webhook", "slack"], 5.0, 60)
    outbox.deliver(away, lambda: 10.0, 20.0)
    assert Outbox.from_record(outbox.to_record()) == outbox
    # The stored name of every release: another one would repeat all messages after an upgrade.
    assert "told" in outbox.to_record()


def _secret(url: str) -> object:
    return NotificationSettings(webhook_url=url).webhook_url
