"""A backfill of many days in one run: beside one day that holds the same events, and what the days alone cost.

What belongs here: the cases and their goals. What does not: installations and runs (installation.py).
"""

from __future__ import annotations

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, ratio
from benchmarks.installation import installed

#: Days, orders a day, days without any event, rounds.
SIZES = {Size.QUICK: (7, 100, 90, 1), Size.FULL: (30, 2000, 366, 3)}
MANY, ONE = "the days in one run", "one day with the same events"


def run(size: Size) -> Report:
    """Wall seconds of whole processes."""
    days, orders, empty_days, rounds = SIZES[size]
    same_rows = race([_days(days, orders), _joined(days, orders)], rounds)
    empty = race([_empty(MANY, empty_days), _empty("one day", 1)], rounds)
    bookkeeping = empty[MANY].median - empty["one day"].median
    rows = (
        Row(
            f"{days} days in one run, beside one day with the same events", ratio(same_rows, MANY, ONE), "×", Goal(1.5)
        ),
        Row(f"what {empty_days} days cost without any event, beyond one such day", bookkeeping, " s", Goal(10)),
    )
    timings: dict[str, dict[str, Timing]] = {f"{days} days": same_rows, f"{empty_days} days without events": empty}
    data = {"days": days, "orders a day": orders, "days without events": empty_days}
    return Report("backfill", "Backfill of many days in one run", size, data, rows, timings)


def _days(days: int, orders: int) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(days, orders)
            return Outcome(seconds=installation.materialize(installation.day(0), installation.day(days - 1)).seconds)

    return Contender(MANY, work)


def _joined(days: int, orders: int) -> Contender:
    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(days, orders)
            installation.join_days(days)
            return Outcome(seconds=installation.materialize(installation.day(0), installation.day(0)).seconds)

    return Contender(ONE, work)


def _empty(name: str, days: int) -> Contender:
    """Days on which nothing arrived, after a first one with a few orders."""

    def work() -> Outcome:
        with installed() as installation:
            installation.write_days(1, 10)
            installation.materialize(installation.day(0), installation.day(0))
            return Outcome(seconds=installation.materialize(installation.day(1), installation.day(days)).seconds)

    return Contender(name, work)
