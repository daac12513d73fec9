"""Tables that the catalog lost come back from their newest metadata as they were: rows, ledgers, quarantine, branches."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import load_catalog
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.installation import ForeignWarehouseError, read_marker, recorded_id
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.iceberg.register import RegisterError, Registration, register
from ecommerce_platform.iceberg.shared_catalogs import close_catalogs
from ecommerce_platform.lakehouse.days.ledger import read_ledger
from ecommerce_platform.lakehouse.days.publish import audit_branch, start_branch
from ecommerce_platform.lakehouse.ingest.tables import (
    ensure_event_table,
    ensure_quarantine_table,
    open_catalog,
)
from ecommerce_platform.lakehouse.maintenance.soundness import refuse_unsound_catalog
from ecommerce_platform.settings import LakehouseSettings, Settings, load_settings
from ecommerce_platform_tests.s3_server import s3_bucket
from ecommerce_platform_tests.spark import rest_server
from ecommerce_platform_tests.warehouse.lake import day, events, publish

ORDERS = load_contracts()["orders"]
TABLES = ("ecommerce.orders", "ecommerce.users", "quarantine.orders")


def published(settings: Settings, *numbers: int, table: str = "orders") -> None:
    contract = load_contracts()[table]
    for number in numbers:
        publish(settings, table, {day(number): events(contract, day(number), 3)})


def catalog_file(settings: Settings) -> Path:
    return settings.data_dir / "catalog.db"


def metadata_files(settings: Settings, table: str = "ecommerce/orders") -> list[Path]:
    return sorted(Path(settings.lakehouse.warehouse or "").glob(f"{table}/metadata/*.metadata.json"))


def state(settings: Settings, *tables: str) -> dict[str, Any]:
    """All that a table is: its metadata, which holds ledger, snapshots and branches, and its rows."""
    loaded = {name: Lake.of(settings).load(name) for name in tables or TABLES}
    return {name: (table.metadata, table.scan().to_arrow().to_pylist()) for name, table in loaded.items()}


def lake(settings: Settings) -> Settings:
    catalog = open_catalog(Lake.of(settings))
    published(settings, 1, 2, 3)
    published(settings, 1, 2, table="users")
    ensure_quarantine_table(catalog, Lake.of(settings), ORDERS)
    start_branch(catalog, catalog.load_table(Lake.of(settings).events("orders")), audit_branch("kept", 1))
    return settings


@pytest.fixture
def settings(local_settings: Settings) -> Settings:
    return lake(local_settings)


def outcomes(registrations: list[Registration]) -> dict[str, str]:
    return {item.table: item.outcome for item in registrations}


def test_every_table_comes_back_as_it_was(settings: Settings) -> None:
    before, marker = state(settings), read_marker(Lake.of(settings))
    catalog_file(settings).unlink()

    dry = register(Lake.of(settings), dry_run=True)
    assert outcomes(dry) == dict.fromkeys(TABLES, "registered")
    with pytest.raises(ForeignWarehouseError):
        open_catalog(Lake.of(settings))
    assert outcomes(register(Lake.of(settings))) == dict.fromkeys(TABLES, "registered")

    assert state(settings) == before
    assert sorted(read_ledger(Lake.of(settings))["orders"].published) == [day(1), day(2), day(3)]
    assert audit_branch("kept", 1) in Lake.of(settings).load("ecommerce.orders").refs()
    refuse_unsound_catalog(Lake.of(settings))
    renewed = read_marker(Lake.of(settings))
    assert renewed is not None
    assert marker is not None
    assert renewed.id != marker.id
    assert recorded_id(Lake.of(settings), open_catalog(Lake.of(settings))) == renewed.id
    published(settings, 4)
    assert outcomes(register(Lake.of(settings))) == dict.fromkeys(TABLES, "as it was")
    assert read_marker(Lake.of(settings)) == renewed


def test_a_killed_register_is_run_again(settings: Settings) -> None:
    before = state(settings)
    newest = metadata_files(settings)[-1]
    catalog_file(settings).unlink()
    catalog = Lake.of(settings).catalog
    catalog.create_namespace("ecommerce")
    catalog.register_table("ecommerce.orders", f"file://{newest}")
    close_catalogs()

    assert outcomes(register(Lake.of(settings))) == {
        "ecommerce.orders": "as it was", "ecommerce.users": "registered", "quarantine.orders": "registered"
    }  # fmt: skip
    assert state(settings) == before
    open_catalog(Lake.of(settings))


def test_a_catalog_put_back_from_an_old_copy_is_put_forward(settings: Settings) -> None:
    copy = settings.data_dir / "backup.db"
    shutil.copy(catalog_file(settings), copy)
    published(settings, 4, 5)
    before = state(settings)
    copy.replace(catalog_file(settings))
    close_catalogs()

    done = outcomes(register(Lake.of(settings)))

    assert done == {**dict.fromkeys(TABLES, "as it was"), "ecommerce.orders": "put forward"}
    assert state(settings) == before
    published(settings, 6)


def test_a_commit_under_way_is_not_put_forward(settings: Settings) -> None:
    copy = settings.data_dir / "backup.db"
    shutil.copy(catalog_file(settings), copy)
    with Lake.of(settings).load("ecommerce.orders").transaction() as change:
        change.set_properties({"written-and": "not yet committed"})
    copy.replace(catalog_file(settings))
    close_catalogs()
    before = state(settings)
    assert set(outcomes(register(Lake.of(settings))).values()) == {"as it was"}
    assert state(settings) == before


def test_metadata_that_was_cut_off_is_passed_over(settings: Settings) -> None:
    before = state(settings)
    newest = metadata_files(settings)[-1]
    version = int(newest.name.split("-")[0])
    newest.with_name(f"{version + 1:05d}-cut.gz.metadata.json").write_bytes(newest.read_bytes()[:50])
    catalog_file(settings).unlink()
    (orders,) = [item for item in register(Lake.of(settings)) if item.table == "ecommerce.orders"]
    assert (orders.metadata, orders.remark) == (newest.name, "1 metadata files cannot be read")
    assert state(settings) == before


def test_another_catalogs_warehouse_is_taken_over_on_purpose_only_and_the_other_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    changed = settings.lakehouse.model_copy(update={"catalog_uri": f"sqlite:///{tmp_path / 'other.db'}"})
    other = settings.model_copy(update={"lakehouse": changed})
    before = state(settings)
    with pytest.raises(RegisterError, match="--take-over"):
        register(Lake.of(other))
    assert set(outcomes(register(Lake.of(other), take=True)).values()) == {"registered"}
    assert state(other) == before
    with pytest.raises(ForeignWarehouseError, match="two installations"):
        open_catalog(Lake.of(settings))
    open_catalog(Lake.of(other))


def two_histories(settings: Settings) -> None:
    """As a release before this one left it: the catalog lost, and a new table in the folder of the old one."""
    warehouse, hidden = Path(settings.lakehouse.warehouse or ""), settings.data_dir / "hidden"
    (warehouse / "ecommerce" / "orders").rename(hidden)
    Lake.of(settings).catalog.drop_table("ecommerce.orders")
    published(settings, 9)
    shutil.copytree(hidden, warehouse / "ecommerce" / "orders", dirs_exist_ok=True)


def test_of_two_histories_in_a_folder_a_person_names_the_right_one(settings: Settings) -> None:
    before, newest = state(settings), metadata_files(settings)[-1]
    two_histories(settings)

    (orders,) = [item for item in register(Lake.of(settings)) if item.table == "ecommerce.orders"]
    assert orders.outcome == "not decided"
    assert "2 histories" in orders.remark
    assert newest.name in orders.remark
    with pytest.raises(RegisterError, match="no readable metadata file nowhere"):
        register(Lake.of(settings), chosen={"ecommerce.orders": "nowhere"})

    register(Lake.of(settings), chosen={"ecommerce.orders": newest.name})

    assert state(settings) == before
    refuse_unsound_catalog(Lake.of(settings))
    ensure_event_table(open_catalog(Lake.of(settings)), Lake.of(settings), ORDERS)


def test_a_warehouse_that_was_copied_elsewhere_is_refused_and_the_other_tables_go_on(settings: Settings) -> None:
    warehouse = Path(settings.lakehouse.warehouse or "")
    shutil.copytree(warehouse / "ecommerce" / "orders", warehouse / "ecommerce" / "copied")
    catalog_file(settings).unlink()
    by_table = {item.table: item for item in register(Lake.of(settings))}
    assert by_table["ecommerce.copied"].outcome == "not decided"
    assert "is of a table at" in by_table["ecommerce.copied"].remark
    assert by_table["ecommerce.orders"].outcome == "registered"


def test_a_table_whose_manifests_are_lost_is_not_registered(settings: Settings) -> None:
    snapshot = Lake.of(settings).load("ecommerce.orders").current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifest_list.removeprefix("file://")).unlink()
    catalog_file(settings).unlink()
    by_table = {item.table: item for item in register(Lake.of(settings))}
    assert "which is lost" in by_table["ecommerce.orders"].remark
    assert by_table["ecommerce.users"].outcome == "registered"


def test_the_command_says_what_it_did(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(settings.data_dir))
    catalog_file(settings).unlink()
    done = CliRunner().invoke(app, ["lakehouse", "register"])
    assert done.exit_code == 0, done.output
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [[table, "registered"] for table in TABLES]
    two_histories(settings)
    undecided = CliRunner().invoke(app, ["lakehouse", "register"])
    assert undecided.exit_code == 1
    assert "--metadata ecommerce.orders=FILE" in undecided.stderr
    assert CliRunner().invoke(app, ["lakehouse", "register", "--metadata", "orders"]).exit_code == 2


def test_tables_on_s3_come_back(tmp_path: Path) -> None:
    with s3_bucket("registered-lake") as bucket:
        warehouse = LakehouseSettings(warehouse="s3://registered-lake/warehouse")
        on_s3 = lake(load_settings(data_dir=tmp_path / "on-s3", s3=bucket.settings, lakehouse=warehouse))
        before = state(on_s3)
        catalog_file(on_s3).unlink()
        assert set(outcomes(register(Lake.of(on_s3))).values()) == {"registered"}
        assert state(on_s3) == before
        published(on_s3, 4)


def test_tables_of_a_rest_catalog_come_back(tmp_path: Path) -> None:
    warehouse = tmp_path / "lake"

    def serve(database: str) -> AbstractContextManager[str]:
        backend = load_catalog(
            "rest", type="sql", uri=f"sqlite:///{tmp_path / database}", warehouse=f"file://{warehouse}"
        )
        return rest_server.serve(backend)

    def settings_of(address: str) -> Settings:
        rest = LakehouseSettings(catalog_type="rest", catalog_uri=address, warehouse=str(warehouse))
        return load_settings(data_dir=tmp_path / "data", lakehouse=rest)

    with serve("first.db") as address:
        first = lake(settings_of(address))
        before, marker = state(first), read_marker(Lake.of(first))
        assert marker is not None
        assert recorded_id(Lake.of(first), open_catalog(Lake.of(first))) == marker.id
    with serve("second.db") as address:
        second = settings_of(address)
        with pytest.raises(ForeignWarehouseError):
            open_catalog(Lake.of(second))
        assert set(outcomes(register(Lake.of(second), take=True)).values()) == {"registered"}
        assert state(second) == before
        open_catalog(Lake.of(second))


def test_a_warehouse_that_is_only_a_name_is_its_services_own(tmp_path: Path) -> None:
    rest = LakehouseSettings(catalog_type="rest", catalog_uri="http://127.0.0.1:1", warehouse="shop")
    named = load_settings(data_dir=tmp_path, lakehouse=rest)
    assert read_marker(Lake.of(named)) is None
    with pytest.raises(RegisterError, match="whose warehouse is a name"):
        register(Lake.of(named))
