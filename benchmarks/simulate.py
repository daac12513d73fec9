"""What a day of a larger shop takes, worked out from measured rates: days × orders, stage by stage.

What belongs here: the arithmetic, and where its rates come from (result files of whole_day, history and volumes). What does not:
measuring, and a claim that anything was run at these sizes.

    python -m benchmarks.simulate [--orders 100000000] [--history-days 365] [--cores 32] [--warehouse L]

A stage takes `fixed + per order × orders + per order of history × orders of all earlier days`, in seconds of the two cores that
were measured. Executors and warehouses are assumed to spread evenly, and one node of a Snowflake warehouse (an X-Small) to be as
fast as the two cores with the stand-in; credits are those of Snowflake's price list (an X-Small takes one an hour, each size
twice as many). What is done in one process stays as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from benchmarks.harness import number
from benchmarks.results import read_all
from benchmarks.volumes import ANALYTICS, LAKE, LANDING

MEASURED_CORES = 2
OURS = "ecommerce-platform"
#: Nodes of a warehouse by size, and credits an hour.
WAREHOUSES = {"XS": 1, "S": 2, "M": 4, "L": 8, "XL": 16}
#: Cores and memory of an executor pod are settings; hours are counted for one of two cores, the default.
EXECUTOR_CORES = 2
#: The day on the page.
ORDERS, HISTORY_DAYS, CORES, WAREHOUSE = 100_000_000, 365, 32, "L"
#: Less than this between two histories is the noise of one run, and would become hours when it is multiplied.
NOISE_SECONDS = 0.5


class Place(StrEnum):
    """Which machines make a stage shorter."""

    EXECUTORS = "executors"
    WAREHOUSE = "warehouse"
    PROCESS = "one process"


@dataclass(frozen=True)
class Stage:
    """A stage of the day: the patterns of its steps' names, where it is computed, and what it reads and writes."""

    name: str
    steps: tuple[str, ...]
    place: Place
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


STAGES = (
    Stage("start, gates", ("(start of Python*", "all_days_published", "change_events_audit"), Place.PROCESS),
    Stage("change events", ("change_events",), Place.EXECUTORS, (LANDING,), (LAKE,)),
    Stage("analytics", ("spark_analytics",), Place.EXECUTORS, (LAKE,), (ANALYTICS,)),
    Stage("RAW and its checksums", ("snowflake_raw", "snowflake_raw_rows_and_checksum"), Place.WAREHOUSE, (LAKE,), (LAKE,)),
    Stage("analytics into Snowflake", ("snowflake_spark",), Place.WAREHOUSE, (ANALYTICS,), (ANALYTICS,)),
    Stage("dbt and its checks", ("dbt_models", "intermediate__*", "marts__*"), Place.WAREHOUSE),
    Stage("reconciliation", ("reconciliation__*",), Place.WAREHOUSE),
)  # fmt: skip


@dataclass(frozen=True)
class Rate:
    """Seconds on the measured cores: at the least, for each order of the day, for each order of the days before."""

    fixed: float
    an_order: float
    an_earlier_order: float

    def seconds(self, orders: int, history_days: int) -> float:
        return self.fixed + self.an_order * orders + self.an_earlier_order * orders * history_days


@dataclass(frozen=True)
class Estimate:
    """One stage of one simulated day. Bytes are null where they were not measured."""

    stage: Stage
    seconds: float
    executor_hours: float
    credits: float
    bytes_read: float | None
    bytes_written: float | None


def rates(results: Sequence[Mapping[str, Any]]) -> dict[str, Rate]:
    """The rate of each stage: two sizes of a whole day give the seconds an order, two histories those an earlier order.

    Raises KeyError naming a result that is missing.
    """
    whole_day, history = _full(results, "whole_day"), _full(results, "history")
    days = {orders: _steps(whole_day, f"{orders:,} orders", OURS) for orders in whole_day["data"]["orders"][-2:]}
    (small, at_small), (large, at_large) = days.items()
    lengths = {int(case.split()[1]): timing["figures"] for case, timing in history["timings"]["the new day"].items()}
    short, long = min(lengths), max(lengths)
    earlier = history["data"]["orders a day"] * (long - short)
    by_stage = {}
    for stage in STAGES:
        an_order = max(0.0, (_of(stage, at_large) - _of(stage, at_small)) / (large - small))
        grown = _of(stage, lengths[long]) - _of(stage, lengths[short])
        by_stage[stage.name] = Rate(
            max(0.0, _of(stage, at_small) - an_order * small),
            an_order,
            grown / earlier if grown > NOISE_SECONDS else 0.0,
        )
    return by_stage


def simulate(
    results: Sequence[Mapping[str, Any]], orders: int, history_days: int, cores: int, warehouse: str
) -> list[Estimate]:
    """Each stage of a day of so many orders after so many days like it."""
    weights = {row["name"]: row["value"] for row in _full(results, "volumes")["rows"]}
    by_stage = rates(results)
    estimates = []
    for stage in STAGES:
        rate = by_stage[stage.name]
        work = rate.seconds(orders, history_days) - rate.fixed
        width = {
            Place.EXECUTORS: cores / MEASURED_CORES,
            Place.WAREHOUSE: WAREHOUSES[warehouse],
            Place.PROCESS: 1,
        }[stage.place]
        seconds = rate.fixed + work / width
        estimates.append(
            Estimate(
                stage,
                seconds,
                seconds * cores / EXECUTOR_CORES / 3600 if stage.place is Place.EXECUTORS else 0.0,
                seconds * WAREHOUSES[warehouse] / 3600 if stage.place is Place.WAREHOUSE else 0.0,
                _bytes(weights, stage.reads, orders),
                _bytes(weights, stage.writes, orders),
            )
        )
    return estimates


def table(estimates: Sequence[Estimate]) -> str:
    """The estimates as a Markdown table with their sum."""
    lines = [
        "| stage | where | reads | writes | minutes | executor hours | credits |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {estimate.stage.name} | {estimate.stage.place} | {_gib(estimate.bytes_read)} | {_gib(estimate.bytes_written)} "
        f"| {number(estimate.seconds / 60)} | {_or_none(estimate.executor_hours)} | {_or_none(estimate.credits)} |"
        for estimate in estimates
    ]
    minutes, hours, credits_used = _totals(estimates)
    lines.append(f"| one after another | | | | {number(minutes)} | {number(hours)} | {number(credits_used)} |")
    return "\n".join(lines)


def standard_day(results: Sequence[Mapping[str, Any]]) -> str:
    """The table of the defaults, for the page."""
    return table(simulate(results, ORDERS, HISTORY_DAYS, CORES, WAREHOUSE))


def standard_grid(results: Sequence[Mapping[str, Any]]) -> str:
    """The grid of the same machines, for the page."""
    return grid(results, CORES, WAREHOUSE)


def grid(results: Sequence[Mapping[str, Any]], cores: int, warehouse: str) -> str:
    """Minutes, executor hours and credits of a day: orders a day by the days before it."""
    histories = (1, 100, 1000)
    lines = [
        f"| orders a day | {' | '.join(f'after {days:,} {_days(days)}' for days in histories)} |",
        "|---|" + "---|" * len(histories),
    ]
    for orders in (100_000, 1_000_000, 10_000_000, 100_000_000):
        cells = []
        for days in histories:
            minutes, hours, credits_used = _totals(simulate(results, orders, days, cores, warehouse))
            cells.append(f"{number(minutes)} min, {number(hours)} h, {number(credits_used)} cr")
        lines.append(f"| {orders:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _totals(estimates: Sequence[Estimate]) -> tuple[float, float, float]:
    """Minutes, executor hours and credits of all stages one after another."""
    return (
        sum(estimate.seconds for estimate in estimates) / 60,
        sum(estimate.executor_hours for estimate in estimates),
        sum(estimate.credits for estimate in estimates),
    )


def _days(days: int) -> str:
    return "day" if days == 1 else "days"


def _full(results: Sequence[Mapping[str, Any]], benchmark: str) -> Mapping[str, Any]:
    for result in results:
        if (result["benchmark"], result["size"]) == (benchmark, "full"):
            return result
    raise KeyError(f"no full result of {benchmark}; make it with: make benchmark BENCHMARKS={benchmark}")


def _steps(result: Mapping[str, Any], case: str, contender: str) -> Mapping[str, float]:
    figures: Mapping[str, float] = result["timings"][case][contender]["figures"]
    return figures


def _of(stage: Stage, figures: Mapping[str, float]) -> float:
    """The seconds of the stage's steps."""
    return sum(seconds for name, seconds in figures.items() if any(fnmatchcase(name, step) for step in stage.steps))


def _bytes(weights: Mapping[str, float], places: Sequence[str], orders: int) -> float | None:
    return sum(weights[f"{place}: bytes an order"] for place in places) * orders if places else None


def _gib(size: float | None) -> str:
    return "" if size is None else f"{number(size / 2**30)} GiB"


def _or_none(value: float) -> str:
    return number(value) if value else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS, help="orders of the day (default: %(default)s)")
    parser.add_argument(
        "--history-days", type=int, default=HISTORY_DAYS, help="days like it before (default: %(default)s)"
    )
    parser.add_argument("--cores", type=int, default=CORES, help="cores of all executors (default: %(default)s)")
    parser.add_argument(
        "--warehouse", choices=WAREHOUSES, default=WAREHOUSE, help="size in Snowflake (default: %(default)s)"
    )
    chosen = parser.parse_args()
    print(table(simulate(read_all(), chosen.orders, chosen.history_days, chosen.cores, chosen.warehouse)))


if __name__ == "__main__":
    main()
