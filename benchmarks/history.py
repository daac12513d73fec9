"""One new day on histories of several lengths, users and products being the same: what does the history cost?

What belongs here: the cases and their goal. What does not: installations and runs (installation.py).
"""

from __future__ import annotations

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race, ratio
from benchmarks.installation import DaysRun, installed

#: Lengths of the histories in days, orders a day, rounds.
SIZES = {Size.QUICK: ((1, 10), 300, 1), Size.FULL: ((1, 10, 100), 5000, 3)}
#: Steps that are Spark's and dbt's.
_COMPUTING = ("change_events", "spark_analytics", "dbt_models")


def run(size: Size) -> Report:
    """Seconds of Spark's and dbt's steps of the new day."""
    lengths, orders, rounds = SIZES[size]
    timings = race([_new_day(length, orders) for length in lengths], rounds)
    grown = ratio(timings, _name(lengths[-1]), _name(lengths[0]))
    row = Row(f"dbt and Spark for a new day after {lengths[-1]} days, beside after {lengths[0]}", grown, "×", Goal(1.5))
    data = {"orders a day": orders, "history in days": ", ".join(map(str, lengths))}
    return Report("history", "One new day on a growing history", size, data, (row,), {"the new day": timings})


def _new_day(length: int, orders: int) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(length + 1, orders)
            installation.materialize(installation.day(0), installation.day(length - 1))
            new = installation.materialize(installation.day(length), installation.day(length))
        return Outcome(seconds=_computing(new), figures={"whole run": round(new.seconds, 1), **new.steps})

    return Contender(_name(length), work)


def _computing(run: DaysRun) -> float:
    return run.seconds_of(*_COMPUTING)


def _name(length: int) -> str:
    return f"after {length} {'day' if length == 1 else 'days'}"
