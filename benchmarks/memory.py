"""How much memory a large day takes, process by process, beside the document's budget.

What belongs here: watching processes while a day runs. What does not: the installation and its run (installation.py).

Resident memory, looked at twice a second. On one machine the Spark driver is its executor as well, one Python process is
Dagster's step and dbt's runner, and the stand-ins hold what Snowflake and ClickHouse would hold elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race
from benchmarks.installation import FIRST_DAY, installed

ORDERS = {Size.QUICK: 20_000, Size.FULL: 5_000_000}
GIB = 2**30
JVM, RUNNER, SNOWFLAKE, CLICKHOUSE, ALL = (
    *("Spark driver (JVM, with its executor)", "Python process of steps and dbt"),
    *("Snowflake stand-in", "ClickHouse stand-in", "everything at one moment"),
)
BUDGET = {JVM: 3.0, RUNNER: 1.0, ALL: 5.4}
_PAUSE = 0.5


def run(size: Size) -> Report:
    """Peaks of one day's run."""
    peaks: dict[str, float] = {}
    events = 0

    def one_day() -> Outcome:
        nonlocal events
        with installed() as installation:
            events = installation.write_days(1, ORDERS[size])
            with Watch(str(installation.folder)) as watch:
                run = installation.materialize(FIRST_DAY)
        peaks.update(watch.peaks)
        return Outcome(seconds=run.seconds, figures=run.steps)

    timings = race([Contender("one day", one_day)], 1)
    rows = tuple(
        Row(name, peaks.get(name, 0) / GIB, " GiB", Goal(BUDGET[name]) if name in BUDGET else None)
        for name in (JVM, RUNNER, SNOWFLAKE, CLICKHOUSE, ALL)
    )
    data = {"orders": ORDERS[size], "change events": events, "days": 1}
    return Report("memory", "Memory of a large day", size, data, rows, {"one day": timings})


class Watch:
    """Looks at the processes that name `mark` in their command or environment until the context ends."""

    def __init__(self, mark: str) -> None:
        self.mark = mark.encode()
        self.peaks: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(_PAUSE):
            for name, size in self._now().items():
                self.peaks[name] = max(size, self.peaks.get(name, 0))

    def _now(self) -> Mapping[str, float]:
        sizes: dict[str, float] = {}
        for process in Path("/proc").glob("[0-9]*"):
            if int(process.name) == os.getpid():
                continue
            # A process may end while it is looked at.
            with suppress(OSError, IndexError):
                command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
                if self.mark not in command and self.mark not in environment:
                    continue
                resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                name = kind(command)
                sizes[name] = sizes.get(name, 0) + resident
                sizes[ALL] = sizes.get(ALL, 0) + resident
        return sizes


def kind(command: bytes) -> str:
    """Which part of the platform a command line is."""
    program = command.split(b"\0")[0].rsplit(b"/", 1)[-1]
    if program == b"java":
        return JVM
    if b"snowflake_server" in command:
        return SNOWFLAKE
    if b"clickhouse_server" in command:
        return CLICKHOUSE
    return RUNNER
