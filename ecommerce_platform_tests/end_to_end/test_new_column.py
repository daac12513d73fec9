"""A column added upstream, end to end: files, Iceberg, Snowflake RAW, and staging once the contract and the model name it."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecommerce_platform.contracts.reader import CONTRACTS_DIR
from ecommerce_platform.settings import PROJECT_DIR, DbtSettings
from ecommerce_platform_tests.end_to_end.history import History, day, write_landing
from ecommerce_platform_tests.end_to_end.platform import Platform

pytestmark = pytest.mark.slow

NEW_COLUMN = """      - name: gift_note
        logicalType: string
        physicalType: text
        description: What the buyer writes to the one who gets it.
"""


def land(landing: Path, number: int, item: dict[str, object], notes: list[str] | None = None) -> None:
    """An order with one line on that day; with `notes` the file of lines has a column more."""
    history = History()
    if number == 1:
        history.insert("users", 1, id=1)
        history.insert("products", 1, id=1)
    # What no mart counts as bought: this is about columns, not about figures.
    history.insert("orders", number, id=number, status="cancelled", lsn=5000 + number)
    history.insert("order_items", number, id=number, order_id=number, lsn=6000 + number, **item)
    write_landing(landing, history.changes)
    if notes:
        file = landing / "order_items" / f"date={day(number)}" / "part-00000.parquet"
        pq.write_table(pq.read_table(file, partitioning=None).append_column("gift_note", pa.array(notes)), file)


def changed_contracts(folder: Path) -> Path:
    """The contracts with a column more, a wider number and a wider price."""
    folder.mkdir()
    for file in CONTRACTS_DIR.glob("*.odcs.yaml"):
        shutil.copy(file, folder)
    items = folder / "order_items.odcs.yaml"
    text = items.read_text()
    for old, new in (
        ("      - name: created_at\n", NEW_COLUMN + "      - name: created_at\n"),
        ("physicalType: int\n", "physicalType: bigint\n"),
        ("physicalType: decimal(10,2)", "physicalType: decimal(14,2)"),
    ):
        assert old in text
        text = text.replace(old, new)
    items.write_text(text)
    return folder


def changed_models(folder: Path) -> Path:
    """The dbt project with the column in the one model that people write for it."""
    shutil.copytree(PROJECT_DIR / "dbt_project", folder, ignore=shutil.ignore_patterns("target", "logs"))
    staging = folder / "models" / "staging" / "stg_order_items_enhanced.sql"
    text = staging.read_text()
    for alias, indent in (("items", 8), ("timed", 8), ("priced", 4)):
        line = f"{' ' * indent}{alias}.unit_price,\n"
        assert line in text
        text = text.replace(line, f"{line}{' ' * indent}{alias}.gift_note,\n")
    staging.write_text(text)
    return folder


def test_a_column_added_upstream_reaches_raw_by_itself_and_staging_by_contract(
    spark_application: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = tmp_path / "landing"
    land(landing, 1, {"unit_price": "10.00"})
    land(landing, 2, {"unit_price": "20.00"}, ["for you"])
    with Platform.installed(tmp_path / "data", landing) as platform:
        assert platform.run(day(1), day(2), with_checks=False).success
        raw = platform.query("select id, gift_note from raw.order_items order by id")
        assert raw == [{"id": 1, "gift_note": None}, {"id": 2, "gift_note": "for you"}]
        assert "gift_note" not in platform.table("staging.order_items_enhanced")[0]

        monkeypatch.setenv("ECOMMERCE_CONTRACTS_DIR", str(changed_contracts(tmp_path / "contracts")))
        project = DbtSettings(project_dir=changed_models(tmp_path / "dbt_project"))
        wider = Platform(platform.settings.model_copy(update={"dbt": project}))
        land(landing, 3, {"unit_price": "123456789012.34", "quantity": 2}, ["for me"])
        assert wider.run(day(3), with_checks=False).success

        staged = wider.query("select id, unit_price, gift_note from staging.order_items_enhanced order by id")
        assert staged == [
            {"id": 1, "unit_price": Decimal("10.00"), "gift_note": None},
            {"id": 2, "unit_price": Decimal("20.00"), "gift_note": "for you"},
            {"id": 3, "unit_price": Decimal("123456789012.34"), "gift_note": "for me"},
        ]
        # What was loaded before is still what the ledger says: RAW's checks look at every day.
        checked = wider.run(day(1), day(3))
        assert not {check for check in checked.failed_checks if "rows_and_checksum" in check}
