"""What the exporter and the backfill planner read of the platform's own tables: real Iceberg tables, a real warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from snowflake.connector.errors import ProgrammingError

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days.ledger import RefusedDay, refused_property
from ecommerce_platform.landing.changes import DayRange
from ecommerce_platform.operations.backfill.days import Stage, read_stage_records, states
from ecommerce_platform.operations.exporter.state import PlatformState
from ecommerce_platform.operations.exporter.tables import models_of, read_platform
from ecommerce_platform.operations.notifications.watch import missing_tables
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest
from ecommerce_platform.warehouse.load.days import load_table
from ecommerce_platform.warehouse.load.lake_files import LoadSource
from ecommerce_platform.warehouse.schema import ddl
from ecommerce_platform.warehouse.schema.upgrade import initialise_account
from ecommerce_platform.warehouse.sql.connection import Opener, WarehouseError, connect, execute
from ecommerce_platform.warehouse.sql.presence import rows_or_none
from ecommerce_platform_tests.warehouse.faults import WatchedConnection
from ecommerce_platform_tests.warehouse.lake import day, events, publish

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Days 1 and 2 are published; 1 is loaded and applied; 3 has landed; 4 is refused for orders; the layers differ on day 2."""
    loaded = load_settings(data_dir=tmp_path_factory.mktemp("tables"))
    initialise_account(loaded)
    with connect(loaded) as connection:
        for table in source_tables():
            contract = load_contracts()[table]
            publish(loaded, table, {on: events(contract, on, 3) for on in (day(1), day(2))})
            load_table(LoadSource.of(loaded), lambda: connect(loaded), contract, [day(1)], run_id="run")
            for number in (1, 2, 3):
                land(loaded, table, day(number))
        land(loaded, "orders", day(4))
        land(loaded, "orders", date(2025, 12, 1))
        name, value = refused_property(RefusedDay("orders", day(4), "2 % of the rows", "c", "", "run"))
        with Lake.of(loaded).load("ecommerce.orders").transaction() as change:
            change.set_properties({name: value})
        execute(
            connection,
            f"insert into {ddl.APPLIED_DAYS} (table_name, date, batch_id, applied_at) "
            f"select table_name, date, batch_id, sysdate() from {ddl.LOAD_LEDGER}",
        )
        Store(connection).create()
        reconciled(connection)
    yield loaded
    down(loaded.data_dir)


def land(settings: Settings, table: str, on: date) -> None:
    """A file of the size that the ledger of the tests says."""
    path = Path(settings.landing_uri) / table / f"date={on}" / "part-0.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 100)


def reconciled(connection: object) -> None:
    """Two reconciliations: day 1 converged after an hour, day 2 differs by 30 % in revenue and has one order confirmed."""
    metrics = "(run_id, start_time, date, metric, user_tier, percentage_difference, status)"
    for on, metric, share, status in (
        (day(1), "total_revenue", 0.04, "ok"),
        (day(1), "total_orders", 0.04, "ok"),
        (day(2), "total_revenue", 0.3, "error"),
    ):
        sql = f"insert into reconciliation.daily_business_metrics {metrics} values (%s, %s, %s, %s, 'all', %s, %s)"
        execute(connection, sql, ("r1", NOW.replace(tzinfo=None), on, metric, share, status))  # type: ignore[arg-type]
    columns = "(run_id, date, reconciled_at, converged, seconds_to_convergence)"
    for run, on, minutes, converged, seconds in (
        ("r0", day(1), 0, False, None),
        ("r1", day(1), 60, True, 3600),
        ("r1", day(2), 60, False, None),
    ):
        at = (NOW + timedelta(minutes=minutes)).replace(tzinfo=None)
        sql = f"insert into reconciliation.convergence {columns} values (%s, %s, %s, %s, %s)"
        execute(connection, sql, (run, on, at, converged, seconds))  # type: ignore[arg-type]
    for order, state in ((7, "confirmed"), (8, "healed"), (9, "suspected"), (10, "suspected")):
        sql = "insert into reconciliation.order_discrepancies (date, order_id, reason, state) values (%s, %s, 'x', %s)"
        execute(connection, sql, (day(2), order, state))  # type: ignore[arg-type]
    sql = "insert into reconciliation.verified_through (verified_through, run_id) values (%s, 'r1')"
    execute(connection, sql, (day(1),))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def state(settings: Settings) -> PlatformState:
    return read_platform(settings)


def test_each_table_says_how_far_it_has_come(state: PlatformState) -> None:
    assert state.problems == ()
    tables = {item.table: item for item in state.days}
    orders, users = tables["orders"], tables["users"]
    assert (users.landed, users.published, users.loaded) == (day(3), day(2), day(1))
    # Days 2 and 3 wait; day 4 is refused, and a day before the first partition is ignored.
    assert (users.waiting_days, users.refused_days) == (2, 0)
    assert (orders.landed, orders.waiting_days, orders.refused_days) == (day(4), 2, 1)


def test_the_event_tables_have_snapshots_files_and_bytes(state: PlatformState) -> None:
    sizes = {item.name: item for item in state.iceberg}
    assert set(sizes) == {f"ecommerce.{table}" for table in source_tables()}
    assert sizes["ecommerce.orders"].snapshots >= 1
    assert sizes["ecommerce.orders"].data_files == 2
    assert sizes["ecommerce.orders"].bytes > 1000


def test_the_discrepancy_is_that_of_the_worst_date_that_has_not_converged(state: PlatformState) -> None:
    worst = {(item.metric, item.user_tier): (item.share, item.day) for item in state.discrepancies}
    assert worst == {("total_revenue", "all"): (0.3, day(2)), ("total_orders", "all"): (0.0, day(1))}


def test_convergence_and_findings_are_those_of_the_newest_reconciliation(state: PlatformState) -> None:
    assert state.open_findings == {"confirmed": 1, "suspected": 2}
    assert state.verified_through == day(1)
    assert state.convergence_seconds == {day(1): 3600.0}
    assert state.not_converged_days == 1


def test_a_warehouse_that_is_away_is_named_and_the_lakehouse_is_shown(settings: Settings) -> None:
    away = settings.snowflake.model_copy(update={"host": "127.0.0.1", "port": 9, "protocol": "http"})
    state = read_platform(settings.model_copy(update={"snowflake": away}))
    assert state.problems == ("snowflake: WarehouseError",)
    assert state.iceberg


def test_the_models_of_the_project_have_their_assets(settings: Settings) -> None:
    models = {model.name: model for model in models_of(load_manifest(DbtProject.of(settings)))}
    assert models["mart_daily_business_metrics"].asset == "marts/daily_business_metrics"


def test_the_planner_reads_the_same_records(settings: Settings) -> None:
    day_states = states(read_stage_records(settings, day(1), day(5)), DayRange(day(1), day(5)).days)
    assert [item.stage for item in day_states] == [Stage.DONE, Stage.PUBLISHED, Stage.NEW, Stage.REFUSED, Stage.EMPTY]
    assert day_states[3].refused == {"orders": "2 % of the rows"}
    assert day_states[3].missing_tables == ("users", "products", "order_items")


def test_a_late_day_is_asked_for_in_what_is_applied(settings: Settings) -> None:
    assert missing_tables(partial(connect, settings), settings.snowflake, day(1)) == ()
    assert set(missing_tables(partial(connect, settings), settings.snowflake, day(2))) == set(source_tables())


NO_WAREHOUSE, CANCELLED, NO_GRANT, NO_COLUMN, NO_OBJECT = 606, 604, 3001, 904, 2003


def answering(settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int, word: str = "load_ledger") -> Opener:
    """From here on statements about `word` fail with Snowflake's error of this number; also over what is returned."""

    def fail(_: int, sql: str, after: bool) -> None:
        if not after and word in sql.lower():
            raise ProgrammingError(f"error {number} of the test", errno=number, sqlstate="02000")

    opener: Opener = partial(WatchedConnection, settings, fail)  # type: ignore[assignment]
    monkeypatch.setattr("ecommerce_platform.warehouse.sql.connection.connect", lambda _: opener())
    return opener


@pytest.mark.parametrize("number", [NO_WAREHOUSE, CANCELLED, NO_GRANT, NO_COLUMN])
@pytest.mark.parametrize("word", ["load_ledger", "applied_days"])
def test_only_a_missing_table_means_that_nothing_is_loaded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    opener = answering(settings, monkeypatch, number, word)
    with pytest.raises(ProgrammingError) as plan:
        read_stage_records(settings, day(1), day(5))
    assert plan.value.errno == number
    if word == "applied_days":
        with pytest.raises(ProgrammingError):
            missing_tables(opener, settings.snowflake, day(1))


def test_a_table_that_does_not_exist_yet_means_that_nothing_is_loaded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = answering(settings, monkeypatch, NO_OBJECT, "applied_days")
    assert set(missing_tables(opener, settings.snowflake, day(1))) == set(source_tables())
    assert read_stage_records(settings, day(1), day(5)).applied == {}


@pytest.mark.parametrize(("schema", "missing"), [("STAGING", True), ("HIDDEN", False)])
def test_a_table_in_a_schema_that_the_role_does_not_see_is_not_taken_for_a_missing_one(
    settings: Settings, schema: str, missing: bool
) -> None:
    """As an account does it, which answers alike for what is missing and for what is not granted."""
    account = settings.model_copy(update={"snowflake": settings.snowflake.model_copy(update={"account": "ab12345"})})
    sql = f"select * from {schema}.nothing"
    with connect(settings) as connection:
        if missing:
            assert rows_or_none(connection, account.snowflake, f"{schema}.NOTHING", sql) is None
        else:
            with pytest.raises(
                WarehouseError, match=r"HIDDEN.NOTHING .* role TRANSFORMER may not see .*warehouse init"
            ):
                rows_or_none(connection, account.snowflake, f"{schema}.NOTHING", sql)
