"""What the demo says where its data directory holds another shop."""

from __future__ import annotations

from datetime import date

from ecommerce_platform.demo import replaced_shop
from ecommerce_platform.lakehouse.refused import DecidedDay
from ecommerce_platform.settings import Settings


def refused(table: str, day: int, gone: int) -> DecidedDay:
    landed = date(2026, 1, day)
    return DecidedDay(table, landed, "refused", "why", 10, 0, "branch", "content", "run", events_gone=gone)


def test_days_of_another_shop_are_named_with_what_to_do(local_settings: Settings) -> None:
    text = replaced_shop(local_settings, [refused("orders", 2, 30), refused("users", 2, 5), refused("orders", 1, 3)])
    assert f"{local_settings.data_dir} holds the days of another shop" in text
    assert "2 of its days (2026-01-01 to 2026-01-02) lack events that were published" in text
    assert "ECOMMERCE_DATA_DIR=" in text
    assert "\n" not in text


def test_a_day_that_is_refused_for_its_rows_is_not_of_another_shop(local_settings: Settings) -> None:
    assert replaced_shop(local_settings, [refused("orders", 1, 0)]) == ""
    assert replaced_shop(local_settings, []) == ""
