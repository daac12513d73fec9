"""`contract init --postgres` takes what PostgreSQL's catalog knows, and says what it could not take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from typer.testing import CliRunner, Result

from ecommerce_platform.cli import app
from ecommerce_platform.contracts import LogicalType, Relationship, load_contract
from ecommerce_platform_tests.postgres.cluster import postgres_cluster, server_programs

pytestmark = pytest.mark.skipif(server_programs() is None, reason="PostgreSQL is not installed")

TABLES = """
create type channel as enum ('card', 'cash');
create table methods (code varchar(20) primary key);
create table payments (
    id uuid primary key, order_id bigint not null references orders, method varchar(20) references methods, paid_by channel,
    amount numeric(12, 2) not null, exact numeric, share double precision, payer_phone text, details jsonb,
    paid_at timestamptz, on_day date, settled boolean, tries smallint, tags text[], "Odd Name" int
);
comment on table payments is 'Payments of orders.';
comment on column payments.amount is 'What was paid.';
create table order_coupons (
    order_id bigint references orders, coupon_id int, created_at timestamp(3), primary key (order_id, coupon_id)
);
create table redemptions (
    id bigint primary key, of_order bigint, of_coupon int, foreign key (of_order, of_coupon) references order_coupons
);
create table journal (line text);
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a database with the shop's tables and some more."""
    with postgres_cluster() as connection:
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
        yield address(connection)


def address(connection: Connection) -> str:
    known = connection.get_dsn_parameters()
    return f"postgresql://{known['user']}@/{known['dbname']}?host={known['host']}&port={known['port']}"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECOMMERCE_EXTRA_CONTRACTS_DIR", str(tmp_path))
    return tmp_path


def init(database: str, *tables: str) -> Result:
    return CliRunner().invoke(app, ["contract", "init", *tables, "--postgres", database])


def test_types_keys_comments_and_foreign_keys_are_those_of_the_catalog(database: str, own: Path) -> None:
    outcome = init(database, "payments", "order_coupons", "redemptions")
    assert outcome.exit_code == 0, outcome.output

    payments = load_contract(own / "payments.odcs.yaml")
    assert {column.name: column.spark_type for column in payments.columns} == {
        "id": "string",
        "order_id": "bigint",
        "method": "string",
        "paid_by": "string",
        "amount": "decimal(12,2)",
        "exact": "decimal(38,9)",
        "payer_phone": "string",
        "details": "string",
        "paid_at": "timestamp",
        "on_day": "date",
        "settled": "boolean",
        "tries": "int",
    }
    assert payments.column("id").type is LogicalType.UUID
    assert [column.name for column in payments.columns if column.required] == ["id", "order_id", "amount"]
    assert (payments.description, payments.column("amount").description) == ("Payments of orders.", "What was paid.")
    assert payments.relationships == (Relationship(("order_id",), "orders", ("id",)),)
    assert set(payments.ignored) == {"__*", "share", "tags", "odd name"}
    for note in (
        "payments.exact is numeric without a limit: decimal(38,9) is a guess",
        "payments.share is ignored: double precision is not exact; make it numeric(p, s)",
        "payments.tags is ignored: text[] has no counterpart",
        "payments.method refers to methods, which has no contract: left out",
        "payments.payer_phone is classified as personal, by its name",
    ):
        assert note in outcome.output
    assert load_contract(own / "order_coupons.odcs.yaml").key_names == ("order_id", "coupon_id")
    redemptions = load_contract(own / "redemptions.odcs.yaml")
    assert redemptions.relationships == (
        Relationship(("of_order", "of_coupon"), "order_coupons", ("order_id", "coupon_id")),
    )
    checked = CliRunner().invoke(app, ["contract", "check"])
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("journal", "table public.journal has no primary key, by which its events are distinguished: add one"),
        (
            "nothing",
            "PostgreSQL has no table public.nothing; it has journal, methods, order_coupons, order_items, orders",
        ),
    ],
)
def test_what_cannot_have_a_contract_is_an_error(database: str, own: Path, table: str, message: str) -> None:
    outcome = init(database, table)
    assert outcome.exit_code == 1
    assert message in " ".join(outcome.output.split())
    assert not list(own.iterdir())


def test_a_database_that_does_not_answer_is_an_error(own: Path) -> None:
    outcome = init("postgresql://nobody@127.0.0.1:1/shop", "payments")
    assert outcome.exit_code == 1
    assert "PostgreSQL cannot be read:" in outcome.output
    assert "with the password in PGPASSWORD" in " ".join(outcome.output.split())
