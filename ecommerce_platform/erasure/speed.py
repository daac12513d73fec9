"""The speed layer's orders without a person, where the platform may write them.

What belongs here: ClickHouse's statements. What does not: the batch layer, and what streams in afterwards (its source's part).
"""

from __future__ import annotations

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from ecommerce_platform.contracts import Contract
from ecommerce_platform.landing.persons import Rows
from ecommerce_platform.reconciliation.layers.clickhouse import SpeedTable, quoted


def find(table: SpeedTable, contract: Contract, rows: Rows) -> int:
    """Versions of orders that hold the person; 0 where the table does not exist."""
    if not table.exists() or not _columns(table, contract):
        return 0
    sql = f"SELECT count() FROM {table.name} WHERE {_condition(table, contract, rows)}"
    return int(table.client.query(sql).result_rows[0][0])


def erase(table: SpeedTable, contract: Contract, rows: Rows, *, in_stand_in: bool) -> str:
    """Takes the person out of all versions of orders. Returns the statements for the owner where the platform may not."""
    columns = _columns(table, contract) if table.exists() else []
    if not columns:
        return ""
    condition = _condition(table, contract, rows)
    statements = [
        f"ALTER TABLE {table.name} UPDATE {', '.join(f'{name} = {value(name)}' for name in columns)} WHERE {condition}"
        for value in (_default, _null)
    ]
    try:
        for statement in statements:
            table.client.command(statement, settings={"mutations_sync": 2})
    except ClickHouseError as error:
        first = str(error).splitlines()[0][:200]
        return f"{'; '.join(statements)} -- the platform may not: {first}"
    if in_stand_in:
        _written_again(table.client, table.table)
    return ""


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
