"""The simulation's arithmetic, on made-up results whose answers are known."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import simulate
from benchmarks.results import read_all


def a_result(name: str, **content: Any) -> dict[str, Any]:
    return {"benchmark": name, "size": "full", **content}


def a_shop(earlier: float = 0.0) -> list[dict[str, Any]]:
    """Change events take 5 s and 10 µs an order, and `earlier` seconds more after 100 days of 5,000 orders."""

    def day(seconds: float) -> dict[str, Any]:
        return {"ecommerce-platform": {"figures": {"change_events": seconds, "change_events_audit": 0.2}}}

    return [
        a_result(
            "whole_day",
            data={"orders": [100_000, 1_000_000, 5_000_000]},
            timings={"100,000 orders": day(99), "1,000,000 orders": day(15.0), "5,000,000 orders": day(55.0)},
        ),
        a_result(
            "history",
            data={"orders a day": 5_000},
            timings={
                "the new day": {
                    "after 1 day": {"figures": {"change_events": 6.0}},
                    "after 101 days": {"figures": {"change_events": 6.0 + earlier}},
                }
            },
        ),
        a_result("volumes", rows=[{"name": f"{place}: bytes an order", "value": 2**30 / 1e8} for place in PLACES]),
    ]


PLACES = (simulate.LANDING, simulate.LAKE, simulate.ANALYTICS)


def change_events(results: list[dict[str, Any]], orders: int, days: int, cores: int) -> simulate.Estimate:
    estimates = simulate.simulate(results, orders, days, cores, "L")
    return next(estimate for estimate in estimates if estimate.stage.name == "change events")


def test_a_day_costs_its_orders_and_executors_share_all_but_the_start() -> None:
    on_two_cores = change_events(a_shop(), 100_000_000, 0, 2)
    assert on_two_cores.seconds == pytest.approx(5 + 1000)
    on_twenty = change_events(a_shop(), 100_000_000, 0, 20)
    assert on_twenty.seconds == pytest.approx(5 + 100)
    assert on_twenty.executor_hours == pytest.approx(105 * 10 / 3600)
    assert on_twenty.bytes_read == pytest.approx(2**30)


def test_earlier_days_cost_what_two_histories_say_and_noise_costs_nothing() -> None:
    assert change_events(a_shop(earlier=5.0), 10_000, 200, 2).seconds == pytest.approx(
        5 + 0.1 + 5.0 * 10_000 * 200 / 500_000
    )
    assert change_events(a_shop(earlier=0.3), 10_000, 200, 2).seconds == pytest.approx(5 + 0.1)


def test_a_missing_result_is_named_with_the_way_to_it() -> None:
    with pytest.raises(KeyError, match="make benchmark BENCHMARKS=volumes"):
        simulate.standard_day(a_shop()[:2])


def test_the_measured_results_give_the_pages_tables() -> None:
    results = read_all()
    assert simulate.standard_day(results).count("\n") == len(simulate.STAGES) + 2
    assert "| 100,000,000 |" in simulate.standard_grid(results)
