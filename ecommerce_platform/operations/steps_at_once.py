"""How many steps of a run are at work at a time, where no setting says it.

What belongs here: that number, from the machine and from what the run reads. What does not: the executor (execution/resuming.py).

Steps beside each other share the machine's cores, and the most that each holds may be held at one moment. One step after the
other, a run's processes hold up to 1 GiB and eight times its landing files (measured: 5.5 GiB for 755 MB, five million orders).
Two steps at a time may hold twice that, and half of the memory is left to others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.resuming import StepsAtOnce
from ecommerce_platform.execution.unfinished_runs import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from ecommerce_platform.landing.files import LandingError, LandingZone, landed_bytes

#: What a run holds with one step at a time: always, and for each byte of its landing files.
_ALWAYS, _FOR_EACH_BYTE = 2**30, 8
_TOGETHER = 2
#: How many times that the machine has where steps go side by side.
_ROOM = 2 * _TOGETHER


def steps_at_once(chosen: int | None, launcher: str, zone: LandingZone) -> StepsAtOnce:
    """What the settings have chosen, or, with the launcher `local`, what this machine allows for what a run reads."""
    if chosen is not None:
        return lambda run: chosen
    if launcher != "local" or len(os.sched_getaffinity(0)) < _TOGETHER:
        return lambda run: 1
    return lambda run: allowed(
        memory_bytes(), lambda first, last: landed_bytes(zone, source_tables(), first, last), run
    )


def allowed(memory: int, landed: Callable[[date, date], int], run: dg.DagsterRun) -> int:
    """Steps of a run at a time on a machine with so many bytes of memory. One for a run of no days, and for one whose landing
    files cannot be listed: what is wrong there is said by its first step.
    """
    day = run.tags.get(PARTITION_TAG)
    first, last = run.tags.get(RANGE_START_TAG, day), run.tags.get(RANGE_END_TAG, day)
    if first is None or last is None:
        return 1
    try:
        needed = _ALWAYS + _FOR_EACH_BYTE * landed(date.fromisoformat(first), date.fromisoformat(last))
    except (LandingError, OSError, ValueError):
        return 1
    return _TOGETHER if _ROOM * needed <= memory else 1


def memory_bytes() -> int:
    """The memory of this machine, or what the container may use of it."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    given = limit.read_text().strip() if limit.exists() else "max"
    return min(whole, int(given)) if given.isdecimal() else whole
