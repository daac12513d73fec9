"""Days whose landing files have all gone: which of them still matter, and the warning about them. Pure.

What belongs here: the rule of retention, and what the sensor says. What does not: noticing them (changes.py), and a day that a
run refuses because published events are gone (lakehouse/days/absence.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from ecommerce_platform.contracts import tables_of_day

#: Published events by table and day: each table's days that are published, with how many events.
PublishedEvents = Callable[[], Mapping[str, Mapping[date, int]]]

_SHOWN = 10


def nothing_known() -> Mapping[str, Mapping[date, int]]:
    """No ledger to ask: every emptied day matters."""
    return {}


def past_retention(published: Iterable[date], retention_days: int | None) -> Callable[[date], bool]:
    """Whether landing may have emptied a day: it is more than `retention_days` before the table's highest published day."""
    highest = max(published, default=None)
    if retention_days is None or highest is None:
        return lambda day: False
    return lambda day: (highest - day).days > retention_days


def settled_days(
    days: Iterable[date], published: Mapping[str, Mapping[date, int]], retention_days: int | None
) -> frozenset[date]:
    """Those of the emptied days that need nobody: each table has published them without an event (they were withdrawn), or with
    events that landing need not keep any more.
    """

    def settled(table: str, day: date) -> bool:
        events = published.get(table, {})
        return events.get(day) == 0 or (day in events and past_retention(events, retention_days)(day))

    return frozenset(day for day in days if all(settled(table, day) for table in tables_of_day(day)))


def emptied_warning(landing_uri: str, days: Sequence[date]) -> str:
    """What to do about days that have lost all of their files; empty for none."""
    if not days:
        return ""
    more = f" and {len(days) - _SHOWN} more" if len(days) > _SHOWN else ""
    named = ", ".join(map(str, days[:_SHOWN])) + more
    return (
        f"all files of {named} are gone from {landing_uri}; what is published of them stays, and no run is launched: "
        "put the files back; or, to give the events up, materialize the day and withdraw them with `ecommerce-platform refused "
        "publish TABLE DAY --withdraw --reason …`; ECOMMERCE_LANDING__RETENTION_DAYS says from which age on landing may be empty"
    )
