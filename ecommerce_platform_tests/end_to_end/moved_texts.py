"""Texts that a key change leaves out, put back where the old key's events have them.

What belongs here: that one rule of docs/definitions.md, on decoded events. What does not: everything else about them (oracle.py).
From the lowest LSN up, so that when a key has changed twice, the first change is settled when the second asks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ecommerce_platform_tests.end_to_end.event_order import EVENT_ORDER, STANDS_AT, in_event_order
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS, Event
from ecommerce_platform_tests.end_to_end.value_decode import TEXT

PLACEHOLDER = "__debezium_unavailable_value"
Place = tuple[int, Any]


def place_of(event: Event) -> Place | None:
    """Where in the source's log the event lies: LSN and source time; None without an LSN."""
    return None if event["__source_lsn"] is None else (event["__source_lsn"], event["__source_ts_ms"])


def key_changes(events: Iterable[Event]) -> dict[Place, tuple[int, int]]:
    """Old and new key at each place where exactly one key was deleted and exactly one other inserted."""
    gone: dict[Place, set[int]] = defaultdict(set)
    come: dict[Place, set[int]] = defaultdict(set)
    for event in events:
        place = place_of(event)
        if place is not None and event["__op"] in ("DELETE", "INSERT"):
            (gone if event["__op"] == "DELETE" else come)[place].add(event["id"])
    return {
        place: (*gone[place], *come[place])  # type: ignore[misc]
        for place in gone.keys() & come.keys()
        if len(gone[place]) == len(come[place]) == 1 and gone[place] != come[place]
    }


def with_moved_texts(events: list[Event], table: str) -> list[Event]:
    """The events in event order; an INSERT of a key change has the old key's texts (or null) in place of the placeholder."""
    texts = [name for name, logical in COLUMNS[table].items() if logical == TEXT]
    changes = key_changes(events)
    filled = sorted(
        in_event_order(events),
        key=lambda event: (event[STANDS_AT] is not None, event[STANDS_AT] or 0, event["id"], event[EVENT_ORDER]),
    )
    by_key: dict[int, list[Event]] = defaultdict(list)
    for event in filled:
        by_key[event["id"]].append(event)
    for event in filled:
        place = place_of(event)
        if place in changes and event["__op"] == "INSERT":
            old, _ = changes[place]
            for name in texts:
                if event[name] == PLACEHOLDER:
                    event[name] = last_known_text(by_key[old], name, place[0])
    return filled


def last_known_text(events: list[Event], name: str, lsn: int) -> str | None:
    """The last text below an LSN that is not a placeholder, of events in event order; a DELETE has none."""
    texts = [
        event[name]
        for event in events
        if (event[STANDS_AT] is None or event[STANDS_AT] < lsn)
        and event["__op"] != "DELETE"
        and event[name] != PLACEHOLDER
    ]
    return texts[-1] if texts else None
