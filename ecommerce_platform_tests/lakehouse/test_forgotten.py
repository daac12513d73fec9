"""A forgotten person who is landed again: nothing personal is written, to the events or to quarantine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.landing.forgotten import (
    Entry,
    Forgotten,
    ForgottenFiles,
    installation_key,
    key_check,
    write_entry,
)
from ecommerce_platform.settings import load_settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, SmallLake, counts, order


def test_who_is_forgotten_is_asked_of_the_lake_that_days_go_to(tmp_path: Path) -> None:
    settings, elsewhere = load_settings(data_dir=tmp_path / "data"), load_settings(data_dir=tmp_path / "elsewhere")
    key = installation_key(settings, make=True)
    asked = datetime(2026, 2, 1, tzinfo=UTC).isoformat()
    entry = Entry(Forgotten(key).person("users", 7), "users", key_check(key), "asked", "ada", asked)
    write_entry(ForgottenFiles.of(elsewhere), entry)
    assert Intake.of(settings).forgotten() == Forgotten()
    assert Intake.of(settings, lake=Lake.of(elsewhere)).forgotten() == Forgotten(key, (entry,))


@pytest.mark.parametrize("handed_over", [True, False], ids=["few rows", "many rows"])
def test_a_person_who_is_landed_again_stays_forgotten(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    if not handed_over:
        monkeypatch.setattr("ecommerce_platform.lakehouse.ingest.quarantine.HANDED_OVER_ROWS", 0)
    key = installation_key(lake.settings, make=True)
    opened = Forgotten(key)
    owned = {"orders": (opened.owned("orders", 4),)}
    asked = datetime(2026, 2, 1, tzinfo=UTC).isoformat()
    write_entry(
        ForgottenFiles.of(lake.settings),
        Entry(opened.person("users", 7), "users", key_check(key), "asked", "ada", asked, owned=owned),
    )
    lake.settings = lake.settings.model_copy(
        update={"landing": lake.settings.landing.model_copy(update={"max_quarantined_share": 1})}
    )

    lake.land(
        FIRST,
        order(1, 1, user_id=7, shipping_address="hers"),
        order(2, 2, user_id=8, shipping_address="his"),
        order(3, 3, user_id=None, shipping_address="somebody's"),
        order(4, 4, user_id=None, shipping_address="hers by the order"),
        order(7, 5, user_id=9, shipping_address="an order with her number"),
        order(5, 6, user_id=7, shipping_address="hers, unfit", total_amount="much"),
        order(6, 7, user_id=8, shipping_address="his, unfit", total_amount="much"),
        order(1, 1, user_id=7, shipping_address="hers"),
    )
    result = lake.ingest(FIRST)

    assert counts(result, FIRST) == (8, 5, 2, 1)
    assert dict(lake.rows("id", "shipping_address")) == {
        1: None,
        2: "his",
        3: "somebody's",
        4: None,
        7: "an order with her number",
    }
    hers, his = (text for (text,) in lake.quarantined("original_values"))
    assert '"shipping_address":null' in hers
    assert '"user_id":7' in hers
    assert '"shipping_address":"his, unfit"' in his
