"""New days on histories of several lengths, users and products being the same: what does the history cost?

What belongs here: the cases and their goals. What does not: installations and runs (installation.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, race, ratio
from benchmarks.installation import STARTING, Installation, installed

#: Lengths of the histories in days, orders a day, new days that are measured, and those before them: Spark's server is faster
#: from day to day, five days or so.
SIZES = {Size.QUICK: ((1, 10), 300, 1, 1), Size.FULL: ((1, 1000), 2000, 3, 5)}
#: Steps shorter than this in the longest history are not judged: their ratio is that of two roundings.
_JUDGED_SECONDS = 1.0


def run(size: Size) -> Report:
    """Seconds of a new day's run and of each of its steps. The new days of a history follow each other, and are its rounds; those
    that warm Spark's server are not counted.

    The environment's BENCHMARK_HISTORY_DAYS, when set, is the length of the longest history (for those without hours).
    """
    lengths, orders, rounds, warm_up = SIZES[size]
    lengths = (*lengths[:-1], int(os.environ.get("BENCHMARK_HISTORY_DAYS", lengths[-1])))
    with ExitStack() as stack:
        contenders = []
        for length in lengths:
            installation = stack.enter_context(installed())
            installation.write_days(length + warm_up + rounds, orders)
            installation.materialize(installation.day(0), installation.day(length - 1))
            contenders.append(_new_days(installation, length))
        timings = race(contenders, rounds, warm_up)
    short, long = _name(lengths[0]), _name(lengths[-1])
    beside = f"after {lengths[-1]} days, beside after {lengths[0]}"
    step, grown = _most_grown(timings[short].figures, timings[long].figures)
    rows = (
        Row(f"a new day {beside}", ratio(timings, long, short), "×", Goal(1.3)),
        Row(f"the step that grows the most, {beside}", grown, "×", Goal(1.5), note=step),
    )
    data = {"orders a day": orders, "history in days": ", ".join(map(str, lengths))}
    notes = (f"The step that grows the most is {step}. Steps of less than {_JUDGED_SECONDS:.0f} s are not judged.",)
    return Report("history", "One new day on a growing history", size, data, rows, {"the new day": timings}, notes)


def _new_days(installation: Installation, length: int) -> Contender:
    numbers = iter(range(length, length + 100))

    def work() -> Outcome:
        day = installation.day(next(numbers))
        new = installation.materialize(day)
        return Outcome(seconds=new.seconds, figures=new.steps)

    return Contender(_name(length), work)


def _most_grown(short: Mapping[str, float], long: Mapping[str, float]) -> tuple[str, float]:
    """The step whose seconds grow the most, and how many times."""
    grown = {
        step: seconds / short[step]
        for step, seconds in long.items()
        if step != STARTING and seconds >= _JUDGED_SECONDS and short.get(step)
    }
    step = max(grown, key=lambda name: grown[name])
    return step, grown[step]


def _name(length: int) -> str:
    return f"after {length} {'day' if length == 1 else 'days'}"
