"""A shop with histories of every kind, faults of every reason in its speed layer, and a writer that keeps changing its orders.

What belongs here: what lies in the layers. What does not: what must be found (test_faults.py).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from ecommerce_platform.reconciliation.layers import clickhouse
from ecommerce_platform.reconciliation.model import Reason
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.reconciliation.two_layers import NOON, Event, TwoLayers

#: After every event of the shop but its last one, which sets the cut-off.
CUT_OFF = NOON + timedelta(days=9)
AFTER = CUT_OFF + timedelta(hours=1)
ROAD = ("pending", "processing", "shipped", "delivered")
COUNT = 240


def shop() -> list[Event]:
    """Orders 1 … COUNT over three days, with histories of one to four statuses; each twelfth cancelled, each tenth deleted."""
    events = []
    for order_id in range(1, COUNT + 1):
        created = NOON + timedelta(days=order_id % 3, microseconds=order_id)
        event = Event(
            order_id,
            order_id * 1000,
            "pending",
            Decimal(order_id * 37 % 10_000) / 100,
            user=order_id % 40 + 1,
            address=None if order_id % 7 == 0 else f"Straße {order_id} 😀;'",
            created=created,
            updated=created,
            at=created,
            day=created.date(),
        )
        events.append(event)
        for status in ROAD[1 : order_id % 4 + 1]:
            event = event.then(status)
            events.append(event)
        if order_id % 12 == 0:
            events.append(event.then("cancelled"))
        elif order_id % 10 == 0:
            events.append(event.deleted())
    return [*events, Event(COUNT + 1, 10**7, at=CUT_OFF, day=CUT_OFF.date(), created=CUT_OFF)]


EVENTS = shop()
HISTORY: dict[int, list[Event]] = {}
for _event in EVENTS:
    HISTORY.setdefault(_event.id, []).append(_event)


LATEST = {order_id: events[-1] for order_id, events in HISTORY.items()}
LIVE = [order_id for order_id, event in LATEST.items() if event.op != "DELETE" and order_id <= COUNT]
GONE = [order_id for order_id, event in LATEST.items() if event.op == "DELETE"]


@dataclass(frozen=True)
class Fault:
    """What the speed layer holds of one order instead of what it should, insert by insert, and the reason to be found."""

    reason: Reason
    order_id: int
    versions: tuple[Event, ...]


def _orders(*statuses: str) -> st.SearchStrategy[int]:
    return st.sampled_from([order_id for order_id in LIVE if not statuses or LATEST[order_id].status in statuses])


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """A fault of any kind, anywhere."""
    reason = draw(st.sampled_from(list(Reason)))
    if reason is Reason.MISSING_IN_BATCH:
        key = draw(st.one_of(st.integers(COUNT + 2, 10**12), st.integers(-(10**12), -1)))
        return Fault(reason, key, (Event(key, 5, created=NOON + timedelta(days=draw(st.integers(0, 2)))),))
    if reason is Reason.DELETED_IN_BATCH:
        order_id = draw(st.sampled_from(GONE))
        return Fault(reason, order_id, (HISTORY[order_id][-2],))
    if reason is Reason.STATUS_BEHIND:
        order_id = draw(_orders("processing", "shipped", "delivered"))
        return Fault(reason, order_id, (draw(st.sampled_from(HISTORY[order_id][:-1])),))
    if reason is Reason.STATUS_AHEAD:
        order_id = draw(_orders("pending", "processing", "shipped"))
        later = ROAD[ROAD.index(str(LATEST[order_id].status)) + 1 :]
        status = draw(st.sampled_from([*later, "cancelled"]))
        return Fault(reason, order_id, (LATEST[order_id].but(status=status),))
    if reason is Reason.IMPOSSIBLE_STATUS_MOVE:
        order_id = draw(_orders("delivered", "cancelled"))
        wrong = draw(
            st.sampled_from([s for s in ("delivered", "cancelled", "lost", "ünknown") if s != LATEST[order_id].status])
        )
        return Fault(reason, order_id, (LATEST[order_id].but(status=wrong),))
    order_id = draw(_orders())
    return Fault(reason, order_id, _wrong(draw, reason, LATEST[order_id]))


def _wrong(draw: st.DrawFn, reason: Reason, right: Event) -> tuple[Event, ...]:
    assert right.amount is not None
    if reason is Reason.MISSING_IN_SPEED:
        return ()
    if reason is Reason.DELETED_IN_SPEED:
        return (right, right.deleted(0))
    if reason is Reason.AMOUNT:
        cents = draw(st.one_of(st.none(), st.integers(2, 10_000), st.integers(-10_000, -2)))
        return (right.but(amount=None if cents is None else right.amount + Decimal(cents) / 100),)
    if reason is Reason.ROUNDING:
        return (right.but(amount=right.amount + draw(st.sampled_from([Decimal("0.01"), Decimal("-0.01")]))),)
    if reason is Reason.TIME_SHIFT_WHOLE_HOURS:
        hours = draw(st.integers(-12, 14).filter(bool))
        return (right.but(created=right.created + timedelta(hours=hours)),)
    if reason is Reason.DUPLICATE:
        return (right, right.but(amount=right.amount + 1))
    if reason is Reason.OTHER:
        changes = draw(
            st.sampled_from(
                [
                    {"user": 999},
                    {"user": None},
                    {"address": "x"},
                    {"updated": right.created + timedelta(microseconds=1)},
                ]
            )
        )
        return (right.but(**({"address": "y"} if changes == {"updated": right.updated} else changes)),)
    assert reason is Reason.LAG
    later = right.but(lsn=right.lsn + 1, at=AFTER)
    return draw(
        st.sampled_from(
            [(right, later.but(status="lost")), (right, right.deleted(0, at=AFTER)), (later.but(amount=None),)]
        )
    )


def plant(two: TwoLayers, planted: list[Fault]) -> None:
    """The speed layer: healthy (every event of every order), but for the planted faults."""
    wrong = {fault.order_id: fault for fault in planted}
    two.client.command("truncate table orders_realtime")
    # Two contents at one LSN are a duplicate until a merge drops one of them; then the other is simply wrong.
    two.client.command("system stop merges orders_realtime")
    two.speed(*(event for event in EVENTS if event.id not in wrong))
    two.speed(*(fault.versions[0] for fault in planted if fault.versions))
    two.speed(*(fault.versions[1] for fault in planted if len(fault.versions) > 1))


@contextmanager
def writer(settings: Settings, spared: set[int]) -> Iterator[None]:
    """Changes, inserts and deletes orders after the cut-off, as fast as it can, until the block ends.

    The block begins when the first change is written, and one more at least is written before it has ended.
    """
    stop, writing = threading.Event(), threading.Semaphore(0)
    failure: list[BaseException] = []

    def write() -> None:
        client = clickhouse.connect(settings, "writer")
        try:
            two, chance, lsn = TwoLayers(None, client), random.Random(7), 2 * 10**7  # type: ignore[arg-type]
            while not stop.is_set():
                lsn += 10
                order = LATEST[chance.choice([order_id for order_id in LIVE if order_id not in spared])]
                at = AFTER + timedelta(seconds=lsn % 1000)
                moved = order.but(lsn=lsn, at=at, status=chance.choice([*ROAD, "lost"]), amount=Decimal(lsn % 777))
                new = order.but(id=5 * 10**6 + lsn, lsn=lsn, at=at, created=chance.choice([NOON, order.created]))
                two.speed(chance.choice([moved, order.deleted(0, at=at, lsn=lsn), new]))
                writing.release()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            failure.append(error)
        finally:
            writing.release(2)
            client.close()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        assert writing.acquire(timeout=60)
        yield
        assert writing.acquire(timeout=60)
    finally:
        stop.set()
        thread.join(60)
    assert not failure, failure
