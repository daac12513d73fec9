"""The sensor that notifies people: it finds the news, keeps it, and hands it to the receivers.

What belongs here: one tick, and where its state is kept. What does not: what is news (watch.py) and delivery (outbox.py).

The state (how far the log is read, what waits, what was sent) is one value in Dagster's own storage. It is saved before anything
is sent and after every message that a receiver took: a crash repeats one message at most (its key is the same) and loses none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg

from ecommerce_platform.operations.notifications.outbox import Delivery, Outbox, Send
from ecommerce_platform.operations.notifications.receivers import receivers, sender
from ecommerce_platform.operations.notifications.watch import Position, day_due, missing_tables, read_news
from ecommerce_platform.operations.notifications.wording import day_late
from ecommerce_platform.settings import NotificationSettings, Settings
from ecommerce_platform.warehouse.sql.connection import connect

SENSOR_NAME = "notifications"
STATE_KEY = "ecommerce_platform/notifications"
#: What is read of the log within a tick; the next one goes on from there.
READ_SECONDS_A_TICK = 15.0
#: A tick that sends longer than this would be cut off by Dagster after a minute.
SECONDS_A_TICK = 20.0
#: How often the warehouse is asked whether a day that is due has come.
ASK_AGAIN_SECONDS = 900.0

AskWarehouse = Callable[[date], tuple[str, ...]]


@dataclass
class State:
    """All that a tick needs to know of the ones before it."""

    position: Position = field(default_factory=Position)
    outbox: Outbox = field(default_factory=Outbox)
    day_in_time: str = ""
    asked_at: float = 0.0

    def save(self, instance: dg.DagsterInstance) -> None:
        content = {
            "position": vars(self.position),
            "outbox": self.outbox.to_record(),
            "day_in_time": self.day_in_time,
            "asked_at": self.asked_at,
        }
        instance.daemon_cursor_storage.set_cursor_values({STATE_KEY: json.dumps(content)})

    @classmethod
    def load(cls, instance: dg.DagsterInstance) -> State:
        text = instance.daemon_cursor_storage.get_cursor_values({STATE_KEY}).get(STATE_KEY)
        if not text:
            return cls()
        content = json.loads(text)
        return cls(
            Position(**content["position"]),
            Outbox.from_record(content["outbox"]),
            content["day_in_time"],
            content["asked_at"],
        )


@dataclass(frozen=True)
class LateDay:
    """From which hour (UTC) a day is late, the first day that there can be, and who knows which tables the marts lack of one."""

    hour: int
    first: date
    ask_warehouse: AskWarehouse

    @classmethod
    def of(cls, settings: Settings) -> LateDay:
        """What the settings say; the warehouse is asked over a connection of its own."""
        ask = partial(missing_tables, partial(connect, settings), settings.snowflake)
        return cls(settings.operations.day_late_hour_utc, settings.start_date, ask)


def build_sensor(settings: Settings) -> dg.SensorDefinition:
    """Notifies the receivers of the settings; running wherever one is set."""
    set_up, late_day = bool(receivers(settings.notifications)), LateDay.of(settings)

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if set_up else dg.DefaultSensorStatus.STOPPED,
        description="Posts failed runs, failed blocking checks, confirmed discrepancies and late days to the webhooks; keeps "
        "what a receiver has not taken.",
    )
    def notifications(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not set_up:
            return dg.SkipReason(
                "no receiver: set ECOMMERCE_NOTIFICATIONS__SLACK_URL or ECOMMERCE_NOTIFICATIONS__WEBHOOK_URL"
            )
        done = tick(context.instance, settings.notifications, late_day)
        for remark in done.remarks:
            context.log.warning(remark)
        waiting = State.load(context.instance).outbox.pending
        return dg.SkipReason(f"{done.delivered} delivered, {waiting} wait")

    return notifications


def tick(
    instance: dg.DagsterInstance,
    notifications: NotificationSettings,
    late_day: LateDay,
    *,
    send: Send | None = None,
    clock: Callable[[], float] = time.time,
) -> Delivery:
    """One look at what happened, and one round of deliveries."""
    state = State.load(instance)
    names = receivers(notifications)
    state.outbox.keep_receivers(names)
    remarks = _collect(instance, notifications, late_day, state, names, clock)
    state.save(instance)
    deliver = send or sender(notifications)
    done = state.outbox.deliver(deliver, clock, clock() + SECONDS_A_TICK, lambda: state.save(instance))
    state.save(instance)
    return Delivery(done.delivered, (*remarks, *done.remarks))


def _collect(
    instance: dg.DagsterInstance,
    notifications: NotificationSettings,
    late_day: LateDay,
    state: State,
    names: tuple[str, ...],
    clock: Callable[[], float],
) -> tuple[str, ...]:
    repeat, now = notifications.repeat_hours * 3600, clock()
    is_late = partial(_is_past, clock, now + READ_SECONDS_A_TICK)
    for news in read_news(instance, state.position, notifications, is_late):
        if news.over:
            state.outbox.over(news.scope)
        for notification in news.notifications:
            state.outbox.add(notification, names, now, repeat)
    return _collect_late_day(notifications, late_day, state, names, now)


def _is_past(clock: Callable[[], float], deadline: float) -> bool:
    return clock() >= deadline


def _collect_late_day(
    notifications: NotificationSettings, late_day: LateDay, state: State, names: tuple[str, ...], now: float
) -> tuple[str, ...]:
    day = day_due(datetime.fromtimestamp(now, UTC), late_day.hour)
    known = state.day_in_time == day.isoformat() or now - state.asked_at < ASK_AGAIN_SECONDS
    if known or day < late_day.first:
        return ()
    state.asked_at = now
    try:
        missing = late_day.ask_warehouse(day)
    except Exception as error:  # noqa: BLE001 - whatever ails the warehouse, the other news must get out
        return (f"cannot ask the warehouse for {day}: {type(error).__name__}",)
    if not missing:
        state.day_in_time = day.isoformat()
        state.outbox.over(f"day|{day}")
        return ()
    late = day_late(day, missing, now, late_day.hour, notifications)
    state.outbox.add(late, names, now, notifications.repeat_hours * 3600)
    return ()
