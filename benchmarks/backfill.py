"""A backfill of many days in one run: beside one day that holds the same events, beside a run for each, and what days cost.

What belongs here: the cases and their goals. What does not: installations and runs (installation.py).
"""

from __future__ import annotations

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, ratio
from benchmarks.installation import installed
from benchmarks.whole_day.marts import digest_of_warehouse

#: Days, orders a day, days without any event, rounds.
SIZES = {Size.QUICK: (7, 100, 90, 1), Size.FULL: (30, 2000, 366, 3)}
MANY, ONE, ALONE = "the days in one run", "one day with the same events", "one run a day"


def run(size: Size) -> Report:
    """Wall seconds of whole processes."""
    days, orders, empty_days, rounds = SIZES[size]
    same_rows = race([_days(days, orders), _joined(days, orders)], rounds)
    # One round, because so many processes take as long as the rest together.
    alone = race([_days(days, orders, compared=True), _alone(days, orders)], 1) if size is Size.FULL else None
    empty = race([_empty(MANY, empty_days), _empty("one day", 1)], rounds)
    bookkeeping = empty[MANY].median - empty["one day"].median
    rows = [
        Row(
            f"{days} days in one run, beside one day with the same events", ratio(same_rows, MANY, ONE), "×", Goal(1.5)
        ),
        Row(f"what {empty_days} days cost without any event, beyond one such day", bookkeeping, " s", Goal(10)),
    ]
    timings: dict[str, dict[str, Timing]] = {f"{days} days": same_rows, f"{empty_days} days without events": empty}
    if alone:
        rows.append(Row(f"{days} days in one run, beside one run a day", ratio(alone, MANY, ALONE), "×"))
        timings[f"{days} days, in as many runs"] = alone
    data = {"days": days, "orders a day": orders, "days without events": empty_days}
    return Report("backfill", "Backfill of many days in one run", size, data, tuple(rows), timings)


def _days(days: int, orders: int, compared: bool = False) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(days, orders)
            run = installation.materialize(installation.day(0), installation.day(days - 1))
            return Outcome(digest_of_warehouse(installation.settings) if compared else None, run.seconds)

    return Contender(MANY, work)


def _alone(days: int, orders: int) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(days, orders)
            runs = [installation.materialize(day) for day in map(installation.day, range(days))]
            return Outcome(digest_of_warehouse(installation.settings), sum(run.seconds for run in runs))

    return Contender(ALONE, work)


def _joined(days: int, orders: int) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(days, orders)
            installation.join_days(days)
            return Outcome(seconds=installation.materialize(installation.day(0)).seconds)

    return Contender(ONE, work)


def _empty(name: str, days: int) -> Contender:
    """Days on which nothing arrived, after a first one with a few orders."""

    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(1, 10)
            installation.materialize(installation.day(0))
            return Outcome(seconds=installation.materialize(installation.day(1), installation.day(days)).seconds)

    return Contender(name, work)
