"""Notifications on their way to real receivers: a dead, slow or broken one loses nothing and blocks nothing."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import dagster as dg
import pytest

from ecommerce_platform.operations.notifications.message import Kind, Notification, as_slack
from ecommerce_platform.operations.notifications.outbox import (
    MAX_REJECTIONS,
    Outbox,
    RejectedError,
    UnavailableError,
)
from ecommerce_platform.operations.notifications.receivers import post as send_post
from ecommerce_platform.operations.notifications.sensor import State
from ecommerce_platform.settings import NotificationSettings
from ecommerce_platform_tests.operations.office import Office
from ecommerce_platform_tests.operations.webhook_receiver import Receiver, receiver


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
    assert time.monotonic() - started < 30
    assert remark == "webhook: no answer within 2 s; 2 wait, tried again in 30 s"
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
        assert time.monotonic() - started < 30
        enough.set()


@pytest.mark.parametrize("url", ["http://alerts.example/hook", "http://127.evil.example/hook", "http://10.0.0.7/hook"])
def test_a_token_goes_over_https_only(url: str) -> None:
    with pytest.raises(UnavailableError, match="https:// only"):
        send_post(url, b"{}", {"Authorization": "Bearer token"}, 1, secret=True)


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
