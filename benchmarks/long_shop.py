"""A shop of any length, made in the warehouse by a statement for each kind of event: days of Parquet files would take hours.

What belongs here: its events. What does not: what is built of them (model_reads.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ecommerce_platform.contracts import load_contracts, source_tables
from ecommerce_platform.warehouse.sql.connection import execute

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


FIRST_DAY = date(2026, 1, 1)
PRODUCTS = 500


@dataclass(frozen=True)
class Shop:
    """A shop of which each day has as many new orders as every other, each of two lines.

    An order is shipped a day after it was made and delivered three days after; each day brings a tenth as many users as orders,
    and changes of some users and products of any age.
    """

    orders: int

    def load(self, connection: SnowflakeConnection, first: int, last: int) -> None:
        """Loads the days from the first-th to the last-th, counted from 0, in one statement a kind of event."""
        for statement in self._statements(first, last):
            execute(connection, statement)
        for table in source_tables():
            execute(
                connection,
                "insert into RAW.LOAD_LEDGER (table_name, date, batch_id, row_count) "
                f"select '{table}', date, min(batch_id), count(*) from RAW.{table} "
                f"where date between '{_day(first)}' and '{_day(last)}' group by date",
            )

    def _statements(self, first: int, last: int) -> Iterator[str]:
        new_users = self.orders // 10
        user = {
            "email": "'user' || id || '@example.com'",
            "first_name": "'Ada'",
            "last_name": "'Lovelace'",
        }
        product = {
            "name": "'Product ' || id",
            "description": "'Fine'",
            "price": "cast(5 + mod(id, 90) + mod(happened, 7) as number(10, 2))",
            "stock_quantity": "100 + mod(id + happened, 50)",
            "category": "'category ' || mod(id, 8)",
        }
        # A user of any age: the product of two primes spreads them.
        order = {
            "user_id": f"1 + mod(id * 7919, (made + 1) * {new_users})",
            "total_amount": "cast(20 + mod(id, 500) as number(10, 2))",
            "shipping_address": "'1 Road'",
        }
        item = {
            "order_id": "1 + floor((id - 1) / 2)",
            "product_id": f"1 + mod(id * 6007, {PRODUCTS})",
            "quantity": "1 + mod(id, 3)",
            "unit_price": "cast(5 + mod(id, 90) as number(10, 2))",
        }
        if first == 0:
            yield self._insert("products", 0, 0, PRODUCTS, "INSERT", "n + 1", "0", product)
        yield self._insert(
            "users", first, last, new_users, "INSERT", f"happened * {new_users} + n + 1", "happened", user
        )
        any_user = f"1 + mod(happened * 104729 + n * 1299709, (happened + 1) * {new_users})"
        yield self._insert(
            "users", first, last, max(1, new_users // 4), "UPDATE", any_user, f"floor((id - 1) / {new_users})", user
        )
        any_product = f"1 + mod(happened * 31 + n * 17, {PRODUCTS})"
        yield self._insert("products", first, last, PRODUCTS // 50, "UPDATE", any_product, "0", product)
        for age, op, status in ((0, "INSERT", "processing"), (1, "UPDATE", "shipped"), (3, "UPDATE", "delivered")):
            key = f"(happened - {age}) * {self.orders} + n + 1"
            values = {**order, "status": f"'{status}'"}
            yield self._insert("orders", max(first, age), last, self.orders, op, key, f"happened - {age}", values, age)
        key = f"happened * {2 * self.orders} + n + 1"
        yield self._insert("order_items", first, last, 2 * self.orders, "INSERT", key, "happened", item)

    def _insert(
        self,
        table: str,
        first: int,
        last: int,
        each: int,
        op: str,
        key: str,
        made: str,
        values: Mapping[str, str],
        place: int = 0,
    ) -> str:
        columns = {
            **values,
            "id": "id",
            "created_at": f"dateadd('minute', mod(id, 1440), {_date('made')})",
            "updated_at": f"dateadd('hour', 12, {_date('happened')})",
            "__op": f"'{op}'",
            "__ts_ms": f"dateadd('hour', 12, {_date('happened')})",
            "__source_ts_ms": f"dateadd('hour', 12, {_date('happened')})",
            "__source_lsn": f"happened * 1000000 + {place} * 100000 + n",
            "loaded_at": "sysdate()",
            "batch_id": f"'{table}-' || to_varchar({_date('happened')}, 'YYYY-MM-DD') || '-content'",
            "date": _date("happened"),
            "__source_file": f"'{op}-{place}'",
            "__source_row": "n",
        }
        names = [column.name for column in load_contracts()[table].raw_columns]
        listed = ", ".join(f'"{name.upper()}"' for name in names)
        return (
            f"insert into RAW.{table} ({listed}) with numbered as ("
            "select cast(row_number() over (order by seq4()) - 1 as number) as i "
            f"from table(generator(rowcount => {max(0, last - first + 1) * each}))), "
            f"placed as (select {first} + cast(floor(i / {each}) as number) as happened, mod(i, {each}) as n from numbered), "
            f"keyed as (select happened, n, cast({key} as number) as id from placed), "
            f"aged as (select happened, n, id, cast({made} as number) as made from keyed) "
            f"select {', '.join(columns[name] for name in names)} from aged order by happened, n"
        )


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number)


def _date(number: str) -> str:
    return f"dateadd('day', {number}, to_date('{FIRST_DAY}'))"
