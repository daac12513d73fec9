"""A small day from landing to reconciled marts, in a new installation: how long, and where the seconds go.

What belongs here: the goal. What does not: the installation and its run (installation.py).

Nothing is there but the installation: no server runs, no table exists. dbt's project is parsed, as in the image, and Spark's
classes are archived, as by `make setup`. The speed layer is loaded before; it is somebody else's work.
"""

from __future__ import annotations

import statistics

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race
from benchmarks.installation import DaysRun, installed
from ecommerce_platform.stand_ins.servers import down

ORDERS = 1000
ROUNDS = {Size.QUICK: 1, Size.FULL: 5}
NAME = "one small day"


def run(size: Size) -> Report:
    """Wall seconds of the process, and those of each step as Dagster has them."""
    runs: list[DaysRun] = []

    def one_day() -> Outcome:
        with installed() as installation:
            installation.write_days(1, ORDERS)
            down(installation.settings.data_dir)
            runs.append(installation.materialize(installation.day(0), installation.day(0)))
        return Outcome(seconds=runs[-1].seconds, figures={"memory_mib": round(runs[-1].peak_bytes / 2**20)})

    timings = race([Contender(NAME, one_day)], ROUNDS[size])
    stages = {name: statistics.median(run.steps.get(name, 0.0) for run in runs) for name in runs[0].steps}
    rows = (
        Row("a small day, everything started from scratch", timings[NAME].median, " s", Goal(30)),
        Row("sum of the steps' own seconds", sum(stages.values()), " s"),
        *(Row(f"step {name}", seconds, " s") for name, seconds in stages.items()),
    )
    data = {"orders": ORDERS, "days": 1}
    return Report("small_day", "A small day, step by step", size, data, rows, {"one day": timings})
