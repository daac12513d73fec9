"""Where the events of a key stand, in decoded events, written from docs/definitions.md ("event order of a key").

What belongs here: that one rule, event by event. What does not: decoding (landing_decode.py), what follows (oracle.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Event = dict[str, Any]

#: Position of an event among those of its key, counted from 1.
EVENT_ORDER = "event_order"
#: The event's own LSN, or the one that its snapshot row stands right after; None is lowest.
STANDS_AT = "stands_at"


def in_event_order(events: Iterable[Event]) -> list[Event]:
    """The events with `event_order` and `stands_at`, key by key in event order."""
    by_key: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        by_key[event["id"]].append(event)
    ordered: list[Event] = []
    for of_key in by_key.values():
        placed = [event | {STANDS_AT: _stands_at(event, of_key)} for event in of_key]
        placed.sort(key=_place)
        ordered += [event | {EVENT_ORDER: position} for position, event in enumerate(placed, start=1)]
    return ordered


def _stands_at(event: Event, of_key: list[Event]) -> int | None:
    """A snapshot row without LSN stands at the highest one that the connector had seen of the key by then."""
    if event["__source_lsn"] is not None:
        return int(event["__source_lsn"])
    seen = [
        other["__source_lsn"]
        for other in of_key
        if other["__source_lsn"] is not None and other["__ts_ms"] <= event["__ts_ms"]
    ]
    return max(seen, default=None)


def _place(event: Event) -> tuple[Any, ...]:
    lowest = event[STANDS_AT] is None
    return (
        (0, 0) if lowest else (1, event[STANDS_AT]),
        0 if event["__source_lsn"] is not None else 1,
        event["__ts_ms"],
        event["date"],
        event["__source_file"],
        event["__source_row"],
    )
