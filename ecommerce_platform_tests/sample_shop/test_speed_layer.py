"""The speed layer's order versions: without faults they agree with the landing files, with faults they differ as listed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.sample_shop import FaultPlan, PlantedFault, generate_sample
from ecommerce_platform_tests.sample_shop.reading import decode, histories, latest_states
from ecommerce_platform_tests.sample_shop.written import Sample, write_sample

REVENUE = ("processing", "shipped", "delivered")
KINDS = {
    "amount_differs": 10,
    "status_behind": 2,
    "wrong_status": 2,
    "deleted_in_speed": 1,
    "deleted_in_batch": 1,
    "missing_in_speed": 2,
    "missing_in_batch": 2,
}


def versions(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """Versions of each order by log sequence number."""
    by_key = defaultdict(list)
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.ParquetFile(path).read().to_pylist():
            by_key[row["id"]].append({name: decode(name, value) for name, value in row.items()})
    return {key: sorted(rows, key=lambda row: row["__source_lsn"] or 0) for key, rows in by_key.items()}


def existing(folder: Path) -> dict[int, dict[str, Any]]:
    return {key: rows[-1] for key, rows in versions(folder).items() if rows[-1]["__op"] != "DELETE"}


def test_the_healthy_speed_layer_has_the_latest_state_of_every_order(sample: Sample) -> None:
    assert existing(sample.clean_realtime) == latest_states(sample.of("orders"))


def test_the_healthy_speed_layer_saw_every_readable_event_once(sample: Sample) -> None:
    seen = versions(sample.clean_realtime)
    landed = histories(sample.of("orders"))
    assert set(seen) == set(landed)
    for key, rows in seen.items():
        # Of two events with one number the table keeps the later one.
        assert [row["__source_lsn"] for row in rows] == sorted(
            {e["__source_lsn"] for e in landed[key]}, key=lambda n: n or 0
        )


def test_versions_are_typed(sample: Sample) -> None:
    schema = pq.read_schema(sample.realtime / "orders-00000.parquet")
    assert schema.field("total_amount").type == pa.decimal128(10, 2)
    assert schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("__source_ts_ms").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("__source_lsn").type == pa.int64()


def test_the_faults_are_listed_beside_the_versions(sample: Sample) -> None:
    listed = json.loads((sample.realtime / "_planted_faults.json").read_text())
    assert tuple(PlantedFault.from_json(fault) for fault in listed) == sample.report.faults
    assert Counter(fault.kind for fault in sample.report.faults) == KINDS


def test_every_order_that_differs_is_listed_and_no_other(sample: Sample) -> None:
    speed, batch = existing(sample.realtime), latest_states(sample.of("orders"))
    differing = {key for key in set(speed) | set(batch) if _seen(speed.get(key)) != _seen(batch.get(key))}
    assert differing == {fault.order_id for fault in sample.report.faults}


def _seen(order: dict[str, Any] | None) -> tuple[Any, ...] | None:
    return order and tuple(order[name] for name in ("user_id", "status", "total_amount", "created_at"))


def test_every_fault_is_as_it_is_described(sample: Sample) -> None:
    speed, batch = versions(sample.realtime), latest_states(sample.of("orders"))
    healthy = versions(sample.clean_realtime)
    for fault in sample.report.faults:
        ours = speed.get(fault.order_id, [])
        theirs = batch.get(fault.order_id)
        if fault.column in ("status", "total_amount"):
            assert theirs is not None
            assert (str(ours[-1][fault.column]), str(theirs[fault.column])) == (fault.speed_value, fault.batch_value)
        match fault.kind:
            case "missing_in_speed":
                assert not ours
                assert theirs
            case "missing_in_batch":
                assert ours
                assert fault.order_id not in healthy
            case "deleted_in_speed":
                assert ours[-1]["__op"] == "DELETE"
                assert theirs
            case "deleted_in_batch":
                assert ours[-1]["__op"] != "DELETE"
                assert healthy[fault.order_id][-1]["__op"] == "DELETE"
            case "status_behind":
                assert ours == healthy[fault.order_id][:-1]
            case _:
                assert ours[-1]["__source_lsn"] == healthy[fault.order_id][-1]["__source_lsn"]


def test_no_fault_looks_like_lag(sample: Sample) -> None:
    cut_off = max(row["__source_ts_ms"] for row in sample.of("orders") if row.is_readable)
    assert all(rows[-1]["__source_ts_ms"] <= cut_off for rows in versions(sample.realtime).values())


def daily(orders: dict[int, dict[str, Any]]) -> dict[tuple[str, date], Decimal]:
    """The four reconciled metrics by business date, as the definitions have them."""
    metrics: dict[tuple[str, date], Decimal] = {}
    by_date = defaultdict(list)
    for order in orders.values():
        by_date[date.fromordinal(719163 + order["created_at"] // 86_400_000_000)].append(order)
    for day, placed in by_date.items():
        bought = [order["total_amount"] for order in placed if order["status"] in REVENUE]
        metrics["total_orders", day] = Decimal(len(placed))
        metrics["active_customers", day] = Decimal(len({order["user_id"] for order in placed}))
        metrics["total_revenue", day] = sum(bought, Decimal(0))
        metrics["avg_order_value", day] = sum(bought, Decimal(0)) / max(1, len(bought))
    return metrics


def test_one_date_is_off_by_more_than_ten_percent_another_by_more_than_five_and_only_in_money(sample: Sample) -> None:
    ours, theirs = daily(existing(sample.realtime)), daily(latest_states(sample.of("orders")))
    gaps = {key: abs(ours[key] - value) / value for key, value in theirs.items() if value}
    large = {key for key, gap in gaps.items() if gap > Decimal("0.10")}
    small = {key for key, gap in gaps.items() if Decimal("0.05") < gap <= Decimal("0.10")}
    money = ("total_revenue", "avg_order_value")
    assert large == {(metric, date(2026, 1, 8)) for metric in money}
    assert small == {(metric, date(2026, 1, 5)) for metric in money}
    reported = {(effect.metric, effect.business_date): effect for effect in sample.report.effects}
    assert {key for key, effect in reported.items() if effect.percentage > 10} == large
    for (metric, day), effect in reported.items():
        assert effect.batch_value == round(theirs[metric, day], 2)
        assert effect.speed_value == round(ours[metric, day], 2)


GAP_DATES = {date(2026, 1, 5): Decimal("0.07"), date(2026, 1, 8): Decimal("0.15")}


def by_tier(
    sample: Sample,
) -> dict[int | None, tuple[dict[tuple[str, date], Decimal], dict[tuple[str, date], Decimal]]]:
    """Daily metrics of speed and batch layer for each tier (0 is bronze, None an unknown user)."""
    speed, batch = existing(sample.realtime), latest_states(sample.of("orders"))
    users = latest_states(sample.of("users"))
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for order in batch.values():
        spent[order["user_id"]] += order["total_amount"] if order["status"] in REVENUE else 0

    def of_tier(orders: dict[int, dict[str, Any]], tier: int | None) -> dict[tuple[str, date], Decimal]:
        def has_tier(user: int) -> bool:
            return (sum(spent[user] >= step for step in (500, 2000, 5000)) if user in users else None) == tier

        return daily({key: order for key, order in orders.items() if has_tier(order["user_id"])})

    return {tier: (of_tier(speed, tier), of_tier(batch, tier)) for tier in (0, 1, 2, 3, None)}


def test_the_two_dates_revenue_is_off_by_the_same_share_in_every_tier(sample: Sample) -> None:
    for tier, (ours, theirs) in by_tier(sample).items():
        for day, share in GAP_DATES.items():
            if tier is not None and theirs.get(("total_revenue", day)):
                gap = ours["total_revenue", day] / theirs["total_revenue", day] - 1
                assert abs(gap - share) < Decimal("0.001")


@pytest.mark.parametrize("faults", [FaultPlan(), FaultPlan(missing_in_speed=8, missing_in_batch=8)])
def test_the_other_dates_stay_below_five_percent_in_every_tier(tmp_path: Path, faults: FaultPlan) -> None:
    sample = write_sample(tmp_path, dirt=True, faults=faults)
    for tier, (ours, theirs) in by_tier(sample).items():
        for (metric, day), value in theirs.items():
            if day not in GAP_DATES:
                assert abs(ours[metric, day] - value) <= Decimal("0.05") * abs(value), (tier, metric, day)
    planted = [fault for fault in sample.report.faults if fault.kind != "amount_differs"]
    assert not {fault.business_date for fault in planted} & set(GAP_DATES)


def test_without_faults_the_layers_agree_and_nothing_is_listed(tmp_path: Path) -> None:
    report = generate_sample(tmp_path / "landing", tmp_path / "realtime", days=3, faults=False)
    assert report.faults == ()
    assert report.effects == ()
    assert json.loads((tmp_path / "realtime" / "_planted_faults.json").read_text()) == []


def test_the_number_of_faults_of_each_kind_is_a_parameter(tmp_path: Path) -> None:
    plan = FaultPlan(missing_in_speed=5, wrong_status=3, large_revenue_gap=0, small_revenue_gap=0, amount_differs=0)
    report = generate_sample(tmp_path / "landing", tmp_path / "realtime", faults=plan)
    counted = Counter(fault.kind for fault in report.faults)
    assert (counted["missing_in_speed"], counted["wrong_status"], counted["amount_differs"]) == (5, 3, 0)
    assert all(effect.percentage < 5 for effect in report.effects)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_seeds_fail_the_same_metrics_on_the_same_dates(tmp_path: Path, seed: int) -> None:
    report = generate_sample(tmp_path / "landing", tmp_path / "realtime", seed=seed)
    above = {(effect.metric, effect.business_date) for effect in report.effects if effect.percentage > 10}
    assert above == {(metric, date(2026, 1, 8)) for metric in ("total_revenue", "avg_order_value")}
