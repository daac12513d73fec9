"""The search's every way, on the real stand-ins: samples, counts, smaller buckets and rows give the same keys."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.search import locate, ranges
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.compare.test_compare import compared, described, put, row
from ecommerce_platform_tests.reconciliation.reconciled import LAST, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits at which some hundred rows are searched as millions are."""
    searched = {"SAMPLE_FROM": 1, "FEW_ROWS": 1, "FEW_ROWS_IN_A_BUCKET": 1, "FEWEST_SAMPLED": 1, "FIRST_BUCKETS": 8}
    for name, value in {**searched, "ROWS_IN_A_GROUP": 100, "ROWS_IN_A_QUERY": 50}.items():
        monkeypatch.setattr(locate, name, value)
    for name, value in {"FIRST_BUCKETS": 8, "SAMPLED_SLICES": 4, "SAMPLED_ROWS": 40}.items():
        monkeypatch.setattr(ranges, name, value)


@pytest.mark.parametrize("every", spread([1, 2, 40, 400], everyday=1, slow=1))
def test_orders_that_differ_are_located_by_every_way(
    two: TwoLayers, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sample in (locate.SAMPLE_FROM, 10**9):
        monkeypatch.setattr(locate, "SAMPLE_FROM", sample)
        two.reset()
        orders = [ORDER.but(id=number * 3 + 1, lsn=100 + number) for number in range(400)]
        two.batch(*orders, LAST)
        two.speed(*(order.but(amount=Decimal(9)) if order.id // 3 % every == 0 else order for order in orders), LAST)
        assert run(two).located.keys == tuple(order.id for order in orders if order.id // 3 % every == 0)


@pytest.mark.parametrize("key", [("id",), ("shop", "id")])
@pytest.mark.parametrize("every", [1, 40])
def test_rows_that_differ_are_located_by_every_way(two: TwoLayers, key: tuple[str, ...], every: int) -> None:
    rows = [row(number) for number in range(300)]
    put(two, [row(number, note="other") if number % every == 0 else row(number) for number in range(300)], rows)
    comparison = compared(two, described(key))
    assert sorted(item.key[-1] for item in comparison.findings) == list(range(0, 300, every))
