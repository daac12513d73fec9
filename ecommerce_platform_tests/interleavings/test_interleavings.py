"""Whatever happens in whatever order, every loaded day is applied in the end, and no row is wrong.

25 sequences in the slow set; `INTERLEAVINGS=1000` runs as many (docs/reliability.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecommerce_platform.settings import Settings, SnowflakeSettings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.builds.runner import DbtRequest, dbt_run, run_dbt
from ecommerce_platform.warehouse.schema import lease
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform_tests.interleavings.builds import COMPILED, Compiled
from ecommerce_platform_tests.interleavings.landing import DAYS
from ecommerce_platform_tests.interleavings.mortal import open_stand_in
from ecommerce_platform_tests.interleavings.shop import Shop

pytestmark = pytest.mark.slow

SEQUENCES = int(os.environ.get("INTERLEAVINGS", "25"))
LONGEST = 60


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiled]:
    """The models' statements, compiled by dbt against a warehouse in which they exist."""
    folder = tmp_path_factory.mktemp("compiled")
    dbt = {"target_path": str(folder / "target")}
    installed = load_settings(data_dir=folder / "data", dbt=dbt, snowflake=SnowflakeSettings())
    initialise_account(installed)
    try:
        run_dbt(installed, DbtRequest(command="run", select=("+base_orders",), full_refresh=True), "first")
        yield Compiled(*(statements(installed, full) for full in (False, True)))
    finally:
        down(installed.data_dir)


def statements(installed: Settings, full: bool) -> dict[str, str]:
    request = DbtRequest(command="compile", select=COMPILED, full_refresh=full)
    with dbt_run(installed, request, f"compile-{full}") as run:
        assert not list(run.events)
        files = {path.stem: path for path in (run.target / "compiled").rglob("*.sql")}
        return {model: files[model].read_text(encoding="utf-8") for model in COMPILED}


@pytest.fixture(scope="module")
def stand_in() -> Any:
    return open_stand_in()


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    derandomize=SEQUENCES == 25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(seed=st.integers(0, 2**32), moves=st.lists(st.integers(0, 10_000), min_size=20, max_size=LONGEST))
def test_every_loaded_day_is_applied_in_the_end_and_no_row_is_wrong(
    compiled: Compiled,
    stand_in: Any,
    local_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    moves: list[int],
) -> None:
    shop = Shop(settings=local_settings, random=Random(seed), stand_in=stand_in, compiled=compiled)
    with monkeypatch.context() as patched:
        patched.setattr(lease, "this_process", lambda: shop.current.identity if shop.current else None)
        patched.setattr(lease, "is_dead", lambda process: process in shop.dead and process.startswith("boot "))
        for number in moves:
            shop.move(number)
        shop.finish()


@pytest.mark.parametrize(
    "asleep_before", [pytest.param("base_superseded_batches", marks=pytest.mark.soak), "base_changed_keys"]
)
def test_a_build_that_wakes_up_in_the_middle_of_the_next_makes_it_fail_and_skips_no_day(
    compiled: Compiled,
    stand_in: Any,
    local_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    asleep_before: str,
) -> None:
    shop = Shop(settings=local_settings, random=Random(3), stand_in=stand_in, compiled=compiled)
    monkeypatch.setattr(lease, "this_process", lambda: shop.current.identity if shop.current else None)
    monkeypatch.setattr(lease, "is_dead", lambda process: process in shop.dead)
    shop.run_to_the_end(DAYS[:2])
    sleeper = shop.start("rebuild everything", ())
    # It has asked whether the lease is its own, and sends the statement after it has slept.
    shop.go_on_until(sleeper, asleep_before, before=True)
    shop.expire()
    shop.land(DAYS[2])
    late = shop.start("run", (DAYS[2],))
    shop.go_on_until(late, "base_changed_keys", before=False)
    shop.remove(DAYS[1])
    shop.withdraw(DAYS[1])
    shop.run_to_the_end(shop.queued.pop(0))
    shop.go_on(sleeper)
    while late in shop.processes:
        shop.go_on(late)
    assert shop.history[-1].endswith("FreezeReplaced")
    shop.reconcile()
    shop.finish()
