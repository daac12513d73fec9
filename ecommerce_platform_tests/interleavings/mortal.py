"""The stand-in inside the test's own process, and connections to it whose owner may die at any statement.

What belongs here: DuckDB behind the stand-in's corrections, without its server, and the death of a connection. What does not:
what is run over it (builds.py), and in which order (shop.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import duckdb

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.stand_ins import snowflake_shims
from ecommerce_platform.stand_ins.snowflake_server import DATABASE, SCHEMAS
from ecommerce_platform.warehouse.schema.upgrade import bring_up_to_date


class Killed(BaseException):
    """The process ends here: no error handling of the platform may swallow it."""


def open_stand_in() -> Any:
    """An empty warehouse in memory, with the platform's tables. One call of it is enough for many sequences."""
    snowflake_shims.install()
    from fakesnow.instance import FakeSnow

    from ecommerce_platform.stand_ins.snowflake_shims import numbers
    from ecommerce_platform.stand_ins.snowflake_shims.results import RecentResults

    instance: Any = FakeSnow()
    instance.results_cache = RecentResults()
    numbers.create_macros(instance.duck_conn)
    connection = instance.connect(DATABASE)
    for schema in SCHEMAS:
        connection.cursor().execute(f"create schema if not exists {DATABASE}.{schema}")
    bring_up_to_date(connection, load_contracts())
    # Of a handful of rows: what runs side by side only costs.
    instance.duck_conn.execute("set threads = 1")
    return instance


class Session:
    """A session of the stand-in that translates each text of a statement once, and sends it to DuckDB itself from then on.

    A thousand sequences repeat a few dozen statements; parsing them each time would be nearly all of the work.
    """

    translated: ClassVar[dict[str, tuple[str, bool]]] = {}

    def __init__(self, instance: Any) -> None:
        self._session = instance.connect(DATABASE, "RAW")
        self.rows: list[tuple[Any, ...]] = []
        self.rowcount = 0

    def cursor(self) -> Session:
        return self

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> Session:
        if sql not in self.translated:
            return self._first(sql, parameters)
        text, changes_rows = self.translated[sql]
        try:
            self.rows = self._session._duck_conn.execute(text, list(parameters or ())).fetchall()
        except duckdb.TransactionException:
            if sql != "rollback":
                raise
        self.rowcount = self.rows[0][0] if changes_rows else len(self.rows)
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def close(self) -> None:
        self._session.close()

    def _first(self, sql: str, parameters: Sequence[Any] | None) -> Session:
        """By way of the stand-in's corrections, of which the last text is kept that DuckDB was given for it."""
        cursor, texts = self._session.cursor(), []
        to_duckdb = cursor._execute

        def remembered(transformed: Any, bound: Any = None) -> None:
            texts.append(transformed.sql(dialect="duckdb"))
            to_duckdb(transformed, bound)

        cursor._execute = remembered
        if parameters:
            cursor.execute(sql.replace("%s", "?"), binding_params=list(parameters))
        else:
            cursor.execute(sql)
        self.rows, self.rowcount = cursor.fetchall(), cursor.rowcount
        changes_rows = sql.split(maxsplit=1)[0].lower() in ("insert", "update", "delete")
        if sql in ("begin", "commit", "rollback"):
            self._session.in_explicit_transaction = False
        self.translated[sql] = (texts[-1], changes_rows)
        return self


class Mortal:
    """A connection of a process that can be made to die right before or right after one of its next statements.

    After that every statement raises Killed again, so that no cleanup of the dead process reaches the warehouse. A rollback
    does: it is what the warehouse does itself with the transaction of a lost session.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements_left: int | None = None
        self.dies_after_it = False
        self.dead = False
        #: The model before which the owner asked last whether the lease is its own.
        self.last_question = ""

    def cursor(self) -> _MortalCursor:
        return _MortalCursor(self, self.connection.cursor())

    def is_closed(self) -> bool:
        return False

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Mortal:
        return self

    def __exit__(self, *_: object) -> None:
        """The owner closes it."""


class _MortalCursor:
    def __init__(self, owner: Mortal, cursor: Any) -> None:
        self._owner, self._cursor = owner, cursor

    def execute(self, sql: str, parameters: Any = None) -> Any:
        owner = self._owner
        if sql == "rollback":
            return self._cursor.execute(sql)
        if owner.statements_left is not None:
            owner.statements_left -= 1
        owner.dead = owner.dead or (owner.statements_left == 0 and not owner.dies_after_it)
        if owner.dead:
            raise Killed
        result = self._cursor.execute(sql, parameters)
        if owner.statements_left == 0:
            owner.dead = True
            raise Killed
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)
