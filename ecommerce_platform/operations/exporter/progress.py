"""How far the exporter has read the event log, and the sums up to there: one value in Dagster's own storage.

Both are kept together, so that they belong to each other after a kill at any point. What does not belong here: reading
(events.py) and adding up (tally.py).
"""

from __future__ import annotations

import json

import dagster as dg

from ecommerce_platform.operations.exporter.events import EventReader
from ecommerce_platform.operations.exporter.tally import Tally

PROGRESS_KEY = "ecommerce_platform/exporter"
#: Of the sums and of what is read: a release that reads other events, or adds up otherwise, raises it and reads the log again.
_VERSION = 1


def save_progress(instance: dg.DagsterInstance, tally: Tally, reader: EventReader) -> None:
    """Keeps both."""
    content = {"version": _VERSION, "tally": tally.to_record(), "reader": reader.to_record()}
    instance.daemon_cursor_storage.set_cursor_values({PROGRESS_KEY: json.dumps(content)})


def progress_of(instance: dg.DagsterInstance) -> tuple[Tally, EventReader] | None:
    """What `save_progress` kept; None for a new installation or another version."""
    text = instance.daemon_cursor_storage.get_cursor_values({PROGRESS_KEY}).get(PROGRESS_KEY)
    content = json.loads(text) if text else {}
    if content.get("version") != _VERSION:
        return None
    return Tally.from_record(content["tally"]), EventReader.from_record(instance, content["reader"])
