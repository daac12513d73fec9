"""A table whose metadata is lost is not a table that does not exist yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyiceberg.exceptions import NoSuchTableError

from ecommerce_platform.analytics.tables import current
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.catalog import warehouse_uri
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.warehouse.load.lake_files import open_table


def test_a_table_without_its_metadata_file_is_an_error_and_not_an_empty_lake(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    table = ensure_event_table(open_catalog(Lake.of(settings)), Lake.of(settings), load_contracts()["orders"])
    assert open_table(Lake.of(settings), "orders") is not None
    Path(table.metadata_location.removeprefix("file://")).unlink()
    with pytest.raises(FileNotFoundError):
        open_table(Lake.of(settings), "orders")


def hadoop(folder: Path) -> Settings:
    return load_settings(data_dir=folder, lakehouse={"catalog_type": "hadoop"})


def test_a_folder_without_metadata_is_a_table_that_does_not_exist_yet(tmp_path: Path) -> None:
    settings = hadoop(tmp_path)
    with pytest.raises(NoSuchTableError, match=r"ecommerce\.orders"):
        Lake.of(settings).load("ecommerce.orders")
    assert open_table(Lake.of(settings), "orders") is None
    assert current(Lake.of(settings), "daily_revenue") is None


def test_a_folder_whose_newest_metadata_file_is_lost_is_an_error(tmp_path: Path) -> None:
    settings = hadoop(tmp_path)
    metadata = Path(warehouse_uri(settings.lakehouse).removeprefix("file://")) / "ecommerce" / "orders" / "metadata"
    metadata.mkdir(parents=True)
    (metadata / "version-hint.text").write_text("3")
    with pytest.raises(FileNotFoundError):
        open_table(Lake.of(settings), "orders")
