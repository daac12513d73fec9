"""An installation's lake with another catalog, and days in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.warehouse.lake import day, events, publish

ORDERS = load_contracts()["orders"]


def lakehouse(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"lakehouse": settings.lakehouse.model_copy(update=changes)})


def catalog_file(settings: Settings) -> Path:
    return settings.data_dir / "catalog.db"


def published(settings: Settings, *numbers: int) -> None:
    """These days of orders, a commit each."""
    for number in numbers:
        publish(settings, "orders", {day(number): events(ORDERS, day(number), 3)})
