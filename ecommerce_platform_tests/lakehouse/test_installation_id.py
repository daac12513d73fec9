"""The id that a warehouse and its catalog share: made once, made whole where half of it is lost, refused to a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecommerce_platform.iceberg.installation import (
    ForeignWarehouseError,
    claim,
    marker_address,
    read_marker,
    recorded_id,
)
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.metadata_files import LostTableError
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.settings import LakehouseSettings, Settings, load_settings
from ecommerce_platform_tests.lakehouse.catalogs import ORDERS, catalog_file, lakehouse, published
from ecommerce_platform_tests.s3_server import s3_bucket


def test_an_installation_older_than_ids_gets_one_without_ado(four_days: Settings) -> None:
    """As a release before this one leaves it: tables, no id."""
    catalog = Lake.of(four_days).catalog
    assert (read_marker(Lake.of(four_days)), recorded_id(Lake.of(four_days), catalog)) == (None, None)

    ensure_event_table(open_catalog(Lake.of(four_days)), Lake.of(four_days), ORDERS)

    marker = read_marker(Lake.of(four_days))
    assert marker is not None
    assert marker.id == recorded_id(Lake.of(four_days), catalog)
    assert str(catalog_file(four_days)) in marker.catalog


@pytest.mark.parametrize("lost", ["marker", "property"])
def test_half_an_id_is_made_whole(four_days: Settings, lost: str) -> None:
    """A process was killed between the two places."""
    catalog = open_catalog(Lake.of(four_days))
    known = recorded_id(Lake.of(four_days), catalog)
    if lost == "marker":
        Path((marker_address(Lake.of(four_days)) or "").removeprefix("file://")).unlink()
    else:
        catalog.update_namespace_properties("ecommerce", removals={"ecommerce.installation-id"})
    claim(Lake.of(four_days), catalog)
    marker = read_marker(Lake.of(four_days))
    assert (marker and marker.id, recorded_id(Lake.of(four_days), catalog)) == (known, known)


def at_once(settings: list[Settings]) -> list[Exception | None]:
    """What became of each of the installations that are used first at the same moment."""
    together, outcomes = threading.Barrier(len(settings)), [None] * len(settings)

    def start(number: int) -> None:
        together.wait()
        try:
            open_catalog(Lake.of(settings[number]))
        except Exception as error:  # noqa: BLE001 - it is looked at by the test
            outcomes[number] = error

    threads = [threading.Thread(target=start, args=(number,)) for number in range(len(settings))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_many_first_uses_at_once_agree_on_one_id(local_settings: Settings) -> None:
    assert at_once([local_settings] * 8) == [None] * 8
    marker = read_marker(Lake.of(local_settings))
    assert marker is not None
    assert recorded_id(Lake.of(local_settings), open_catalog(Lake.of(local_settings))) == marker.id


def test_of_two_installations_that_start_on_one_warehouse_one_gets_it(local_settings: Settings, tmp_path: Path) -> None:
    both = [local_settings, lakehouse(local_settings, catalog_uri=f"sqlite:///{tmp_path / 'other.db'}")]
    outcomes = at_once(both)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ForeignWarehouseError", "NoneType"]
    published(both[outcomes.index(None)], 1)


@pytest.fixture
def on_s3(tmp_path: Path) -> Iterator[tuple[Settings, Any]]:
    with s3_bucket("lost-catalog") as bucket:
        lake = LakehouseSettings(warehouse="s3://lost-catalog/warehouse")
        yield load_settings(data_dir=tmp_path / "on-s3", s3=bucket.settings, lakehouse=lake), bucket.client


def test_on_s3_ids_are_made_once_and_a_lost_catalog_is_refused(on_s3: tuple[Settings, Any]) -> None:
    settings, _ = on_s3
    assert at_once([settings] * 4) == [None] * 4
    published(settings, 1, 2)
    other = lakehouse(settings, catalog_uri=f"sqlite:///{settings.data_dir / 'other.db'}")
    with pytest.raises(ForeignWarehouseError, match="belongs to the installation with the catalog"):
        open_catalog(Lake.of(other))
    catalog_file(settings).unlink()
    with pytest.raises(ForeignWarehouseError, match="lakehouse register"):
        open_catalog(Lake.of(settings))
    with pytest.raises(LostTableError, match=r"s3://lost-catalog/warehouse/ecommerce/orders"):
        read_ledger(Lake.of(settings))
