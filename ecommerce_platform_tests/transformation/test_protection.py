"""Analysts read the models and no personal value of them, also after a build has made every table again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from ecommerce_platform.contracts import HIDDEN, load_contracts
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.transformation.builds.runner import DbtRequest, DbtRunError, run_dbt
from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest
from ecommerce_platform.transformation.project.personal import model_tables, undeclared
from ecommerce_platform.transformation.project.protect import described, masks_of_new_models, protect_models
from ecommerce_platform.warehouse.schema.ddl import APPLIED_DAYS, LEASES, LOAD_LOCK, PLATFORM_VERSION, table_definitions
from ecommerce_platform.warehouse.schema.upgrade import initialise
from ecommerce_platform.warehouse.sql.connection import connect, execute, fetch_all, is_missing_object, quoted
from ecommerce_platform_tests.transformation.raw_events import load_day, order, user

#: Values of one person, and nowhere else.
MARKS = ("mark@example.com", "Markus", "Markson", "7 Mark Street")


@dataclass
class Seen:
    """What analysts read after each step, `SCHEMA.TABLE` to rows, and what protected it then."""

    settings: Settings
    masked: dict[str, list[tuple[Any, ...]]]
    remade: dict[str, list[tuple[Any, ...]]]
    unmasked: list[dict[str, list[tuple[Any, ...]]]]
    kept: list[tuple[str, str, str]]
    restored: list[str]
    of_platform: list[tuple[Any, ...]]
    refused: str


@pytest.fixture(scope="module")
def seen(transformation_settings: Settings) -> Iterator[Seen]:
    """One person and one order of theirs in all models: built, built again, and built where nothing can be masked."""
    settings = transformation_settings
    if not settings.snowflake.is_embedded:
        # A role of its own, which the tests' user has, and which goes with the test.
        role = f"{settings.snowflake.database}_ANALYST"
        settings = settings.model_copy(
            update={"snowflake": settings.snowflake.model_copy(update={"analyst_role": role})}
        )
    with (
        connect(settings, role=settings.snowflake.admin_role) as connection,
        analysts_of_an_account(settings, connection),
    ):
        yield from observed(settings, connection)


@contextmanager
def analysts_of_an_account(settings: Settings, connection: SnowflakeConnection) -> Iterator[None]:
    """Lets the tests' user take the analysts' role, where there are roles; it is dropped in the end."""
    if settings.snowflake.is_embedded:
        yield
        return
    role = settings.snowflake.analyst_role
    execute(connection, f"create role if not exists {quoted(role)}")
    execute(connection, f"grant role {quoted(role)} to user {quoted(settings.snowflake.user or '')}")
    try:
        yield
    finally:
        execute(connection, f"drop role if exists {quoted(role)}")


def observed(settings: Settings, administrator: SnowflakeConnection) -> Iterator[Seen]:
    with connect(settings) as connection:
        clear(connection)
        events = [
            user(1, 1, "2026-01-01", email=MARKS[0], first_name=MARKS[1], last_name=MARKS[2]),
            order(1, 2, "2026-01-01", shipping_address=MARKS[3]),
        ]
        load_day(connection, "2026-01-01", events)
        initialise(administrator, settings.snowflake)
        run_dbt(settings, DbtRequest(command="run", full_refresh=True))
        masked = read_by_analysts(settings)
        run_dbt(settings, DbtRequest(command="run"))
        remade = read_by_analysts(settings)
        kept = kept_protection(settings)
        refused = built_by_somebody(settings) if settings.snowflake.is_embedded else ""
        of_platform = fetch_all(connection, "select email, full_name from MARTS.CUSTOMER_ANALYTICS")
        plain = settings.model_copy(update={"snowflake": settings.snowflake.model_copy(update={"masking": False})})
        try:
            initialise(administrator, plain.snowflake)
            protect_models(administrator, DbtProject.of(plain), plain.snowflake)
            unmasked = [read_by_analysts(settings)]
            run_dbt(settings, DbtRequest(command="run"))
            unmasked.append(read_by_analysts(settings))
        finally:
            initialise(administrator, settings.snowflake)
        restored = protect_models(administrator, DbtProject.of(settings), settings.snowflake)
        yield Seen(settings, masked, remade, unmasked, kept, restored, of_platform, refused)
        clear(connection)


def built_by_somebody(settings: Settings) -> str:
    """What a build says in a role from which personal columns are hidden."""
    somebody = settings.model_copy(update={"snowflake": settings.snowflake.model_copy(update={"role": "SOMEBODY"})})
    with pytest.raises(DbtRunError) as refused:
        run_dbt(somebody, DbtRequest(command="run"))
    return str(refused.value)


def clear(connection: SnowflakeConnection) -> None:
    for definition in table_definitions(load_contracts()):
        if definition.name.startswith("RAW") and definition.name not in (LEASES, LOAD_LOCK, PLATFORM_VERSION):
            execute(connection, f"delete from {definition.name}")
    execute(connection, f"delete from {APPLIED_DAYS}")


def read_by_analysts(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that a session of the analysts' role may read."""
    columns = {}
    with connect(settings, role=settings.snowflake.analyst_role) as analyst:
        names = fetch_all(
            analyst,
            "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' "
            "and table_schema in ('RAW', 'STAGING', 'INTERMEDIATE', 'MARTS', 'RECONCILIATION')",
        )
        for schema, table in names:
            try:
                columns[f"{schema}.{table}"] = fetch_all(analyst, f'select * from {schema}."{table}"')
            except ProgrammingError as error:
                if not is_missing_object(error):
                    raise
    return columns


def kept_protection(settings: Settings) -> list[tuple[str, str, str]]:
    """What the stand-in keeps, in the order of the statements; an account has no such order."""
    return [
        (kind, name, detail)
        for file in settings.data_dir.rglob("protection.json")
        for kind, name, detail, _ in json.loads(file.read_text())
    ]


@pytest.mark.slow
def test_analysts_read_the_models_and_no_personal_value(seen: Seen) -> None:
    for read in (seen.masked, seen.remade):
        assert {name.partition(".")[0] for name in read} == {"STAGING", "INTERMEDIATE", "MARTS"}
        assert not [name for name in read if name.startswith("STAGING.BASE_")]
        assert len(read["MARTS.CUSTOMER_ANALYTICS"]) == len(read["STAGING.ORDERS_ENHANCED"]) == 1
        assert not [mark for mark in MARKS if mark in repr(read)]
        # Without Spark's tables, which another test may have loaded into the same warehouse.
        of_models = [rows for name, rows in read.items() if not name.startswith("STAGING.SPARK_")]
        assert repr(of_models).count(HIDDEN) == 4 + 1 + 3 + 2
    assert seen.of_platform == [(MARKS[0], "Markus Markson")]


@pytest.mark.slow
def test_a_role_that_sees_no_values_builds_nothing(seen: Seen) -> None:
    if not seen.settings.snowflake.is_embedded:
        pytest.skip("the tests' user has no such role")
    assert "personal columns are hidden from the role SOMEBODY" in seen.refused
    assert "expected one of TRANSFORMER" in seen.refused


@pytest.mark.slow
def test_no_table_is_granted_before_its_columns_are_masked(seen: Seen) -> None:
    if not seen.kept:
        pytest.skip("shown on the embedded server only")
    granted = {name: number for number, (kind, name, _) in enumerate(seen.kept) if kind == "grant"}
    masked = [(name, number) for number, (kind, name, _) in enumerate(seen.kept) if kind == "mask" and name in granted]

    assert {name.rpartition(".")[2] for name, _ in masked} >= {
        "CUSTOMER_ANALYTICS",
        "USERS_ENHANCED",
        "ORDERS_ENHANCED",
    }
    assert [name for name, number in masked if number > granted[name]] == []


@pytest.mark.slow
def test_without_masking_analysts_get_no_table_with_a_personal_column(seen: Seen) -> None:
    hidden = {
        "MARTS.CUSTOMER_ANALYTICS",
        "STAGING.USERS_ENHANCED",
        "STAGING.ORDERS_ENHANCED",
        "STAGING.SPARK_CUSTOMER_METRICS",
    }
    for read in seen.unmasked:
        assert {"STAGING.PRODUCTS_ENHANCED", "MARTS.DAILY_BUSINESS_METRICS"} <= read.keys()
        assert not hidden & read.keys()


@pytest.mark.slow
def test_every_described_column_is_masked_where_it_lies(seen: Seen) -> None:
    described_columns = masks_of_new_models(load_manifest(DbtProject.of(seen.settings)), load_contracts())

    assert len(described_columns) > 10
    assert sorted(sql for sql in seen.restored if "set masking policy" in sql) == sorted(described_columns)


def test_the_page_on_data_protection_names_what_is_personal() -> None:
    page = (PROJECT_DIR / "docs" / "data-protection.md").read_text(encoding="utf-8")
    contracts = load_contracts()
    of_contracts = {
        f"`{name}`": [column.name for column in contract.columns if column.personal]
        for name, contract in contracts.items()
    }
    of_models = {
        f"`{table.schema}.{table.table}`": [column.name for column in columns]
        for table, columns in described(load_manifest(DbtProject.of(load_settings())), contracts)
    }
    for tables in (of_contracts, of_models):
        for table, columns in tables.items():
            row = f"| {table} | {', '.join(f'`{column}`' for column in columns)} |"
            assert (row in page) if columns else (f"| {table} |" not in page), f"docs/data-protection.md lacks: {row}"


USERS, STAGED = "source.ecommerce.raw.users", "model.ecommerce.stg_users"


def manifest(**declared: Any) -> dict[str, Any]:
    columns = {name: {"name": name, "config": {"meta": {"personal": personal}}} for name, personal in declared.items()}
    node = {"unique_id": STAGED, "resource_type": "model", "name": "stg_users", "schema": "staging", "alias": "users"}
    config = {"materialized": "table", "meta": {}}
    return {
        "sources": {USERS: {"name": "users"}},
        "nodes": {STAGED: node | {"tags": [], "columns": columns, "config": config}},
    }


@pytest.mark.parametrize(
    ("declared", "column", "parent", "problems"),
    [
        ({}, "contact", "email", 1),
        ({"contact": True}, "contact", "email", 0),
        ({"contact": False}, "contact", "email", 0),
        ({}, "email", "email", 0),
        ({}, "registered", "created_at", 0),
    ],
    ids=["made of one", "said so", "said not", "by its name", "made of another"],
)
def test_a_column_that_carries_a_personal_one_must_say_so(
    declared: dict[str, Any], column: str, parent: str, problems: int
) -> None:
    undeclared_columns = list(undeclared(manifest(**declared), load_contracts(), {STAGED: {column: [(USERS, parent)]}}))

    assert len(undeclared_columns) == problems
    if problems:
        assert undeclared_columns[0].startswith(
            "column contact of stg_users is made of the personal column email of users"
        )


def test_a_column_is_hidden_by_its_name_unless_its_properties_say_otherwise() -> None:
    names = frozenset({"email"})
    (silent,) = model_tables(manifest())
    (public,) = model_tables(manifest(email=False))

    assert (silent.is_personal("EMAIL", names), silent.is_personal("city", names)) == (True, False)
    assert not public.is_personal("email", names)
