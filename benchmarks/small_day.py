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
COLD, WARM = "everything from scratch", "a further day, Spark warm"


def run(size: Size) -> Report:
    """Wall seconds of the process, and those of each step as Dagster has them. The warm contender has one installation, whose
    Spark and servers run; its days follow each other, and the first two, which start them and warm the JVM, do not count.
    """
    runs: list[DaysRun] = []
    with installed() as warm:
        warm.write_days(ROUNDS[size] + 2, ORDERS)
        days = map(warm.day, range(ROUNDS[size] + 2))
        for _ in range(2):
            warm.materialize(next(days))

        def cold_day() -> Outcome:
            with installed() as installation:
                installation.write_days(1, ORDERS)
                down(installation.settings.data_dir)
                runs.append(installation.materialize(installation.day(0)))
            return Outcome(seconds=runs[-1].seconds, figures={"memory_mib": round(runs[-1].peak_bytes / 2**20)})

        def warm_day() -> Outcome:
            run = warm.materialize(next(days))
            return Outcome(seconds=run.seconds, figures=run.steps)

        timings = race([Contender(COLD, cold_day), Contender(WARM, warm_day)], ROUNDS[size])
    stages = {name: statistics.median(run.steps.get(name, 0.0) for run in runs) for name in runs[0].steps}
    rows = (
        Row("a small day, everything started from scratch", timings[COLD].median, " s", Goal(18)),
        Row("a further small day, Spark and the servers warm", timings[WARM].median, " s", Goal(10)),
        Row("from scratch: sum of the steps' own seconds", sum(stages.values()), " s"),
        *(Row(f"from scratch: step {name}", seconds, " s") for name, seconds in stages.items()),
        *(Row(f"warm: step {name}", seconds, " s") for name, seconds in timings[WARM].figures.items()),
    )
    data = {"orders": ORDERS, "days": 1}
    return Report("small_day", "A small day, step by step", size, data, rows, {"one day": timings})
