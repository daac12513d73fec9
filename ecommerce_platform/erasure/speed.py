"""The speed layer's orders without a person, where the platform may write them.

What belongs here: ClickHouse's statements. What does not: the batch layer, and what streams in afterwards (its source's part).
"""

from __future__ import annotations

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from ecommerce_platform.contracts import Contract
from ecommerce_platform.landing.persons import Rows
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable, connect, quoted
from ecommerce_platform.settings import Settings


def find(settings: Settings, contract: Contract, rows: Rows) -> int:
    """Versions of orders that hold the person; 0 where the table does not exist."""
    client = connect(settings)
    try:
        if not _exists(client, settings):
            return 0
        table = SpeedTable.of(client, settings)
        if not _columns(table, contract):
            return 0
        sql = f"SELECT count() FROM {table.name} WHERE {_condition(table, contract, rows)}"
        return int(client.query(sql).result_rows[0][0])
    finally:
        client.close()


def erase(settings: Settings, contract: Contract, rows: Rows) -> str:
    """Takes the person out of all versions of orders. Returns the statements for the owner where the platform may not."""
    client = connect(settings)
    try:
        if not _exists(client, settings):
            return ""
        table = SpeedTable.of(client, settings)
        columns = _columns(table, contract)
        if not columns:
            return ""
        condition = _condition(table, contract, rows)
        statements = [
            f"ALTER TABLE {table.name} UPDATE {', '.join(f'{name} = {value(name)}' for name in columns)} WHERE {condition}"
            for value in (_default, _null)
        ]
        try:
            for statement in statements:
                client.command(statement, settings={"mutations_sync": 2})
        except ClickHouseError as error:
            first = str(error).splitlines()[0][:200]
            return f"{'; '.join(statements)} -- the platform may not: {first}"
        if settings.clickhouse_is_embedded:
            _written_again(client, settings.clickhouse.orders_table)
        return ""
    finally:
        client.close()


def _default(column: str) -> str:
    """The empty value of the column's type: under a null, ClickHouse keeps in the file what was there before."""
    return f"defaultValueOfArgumentType(assumeNotNull({column}))"


def _null(_: str) -> str:
    return "NULL"


def _written_again(client: Client, table: str) -> None:
    """ClickHouse keeps the parts that a mutation has replaced for minutes; in the stand-in all goes to a new table."""
    copy = quoted(f"{table}_forgetting")
    client.command(f"DROP TABLE IF EXISTS {copy} SYNC")
    client.command(f"CREATE TABLE {copy} AS {quoted(table)}")
    client.command(f"INSERT INTO {copy} SELECT * FROM {quoted(table)}")
    client.command(f"EXCHANGE TABLES {copy} AND {quoted(table)}")
    client.command(f"DROP TABLE {copy} SYNC")


def _exists(client: Client, settings: Settings) -> bool:
    return bool(int(client.command(f"EXISTS TABLE {quoted(settings.clickhouse.orders_table)}")))  # type: ignore[arg-type]


def _columns(table: SpeedTable, contract: Contract) -> list[str]:
    present = table.column_names()
    return [table.column(column.name) for column in contract.personal_columns if column.name in present]


def _condition(table: SpeedTable, contract: Contract, rows: Rows) -> str:
    about = [
        f"{table.column(name)} IN ({', '.join(map(str, sorted(keys)))})"
        for name, keys in ((contract.key, rows.keys), *(rows.references or {}).items())
        if keys
    ]
    if rows.references and rows.orphans:
        unreadable = " AND ".join(f"{table.column(name)} IS NULL" for name in rows.references)
        about.append(
            f"({unreadable} AND {table.column(contract.key)} IN ({', '.join(map(str, sorted(rows.orphans)))}))"
        )
    held = " OR ".join(f"{name} IS NOT NULL" for name in _columns(table, contract))
    return f"({' OR '.join(about) or '0'}) AND ({held})"
