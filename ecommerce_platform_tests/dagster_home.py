"""The Dagster instance of a home, as a process with that DAGSTER_HOME has it. What belongs here: opening it, no asserting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.operations.event_log import BATCH_SIZE


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """Closed at the end. Where a storage keeps its files follows from the environment (operations/event_log.py)."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        # Put there by the storage itself.
        environment.setenv("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
