"""Drafts of contracts from a PostgreSQL schema: types, key, not null, comments and foreign keys, as the catalog has them.

What belongs here: asking the catalog, and which type of PostgreSQL becomes which of the platform. What does not: writing the file
(draft.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ecommerce_platform.contracts.draft import Draft, classified
from ecommerce_platform.contracts.model import Column, Contract, ContractError, Relationship
from ecommerce_platform.contracts.names import RESERVED_WORDS, is_identifier
from ecommerce_platform.contracts.types import LogicalType

if TYPE_CHECKING:
    from sqlalchemy.engine.reflection import Inspector

_TYPES = {
    "bigint": LogicalType.BIGINT,
    **dict.fromkeys(("integer", "smallint"), LogicalType.INT),
    **dict.fromkeys(("text", "character varying", "character", "citext", "json", "jsonb", "xml"), LogicalType.TEXT),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), LogicalType.TIMESTAMP),
    "date": LogicalType.DATE,
    "boolean": LogicalType.BOOLEAN,
    "uuid": LogicalType.UUID,
}
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
#: What an unlimited number becomes.
_WIDE = (38, 9)
_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum), t.typtype = 'e'
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
inner join pg_catalog.pg_type as t on t.oid = a.atttypid
where n.nspname = :schema and c.relname = :table and c.relkind in ('r', 'p')
order by a.attnum
"""


def drafts_from_postgres(
    url: str, tables: Sequence[str], schema: str, known: Mapping[str, Contract]
) -> dict[str, Draft]:
    """A draft for each table. Foreign keys are kept that lead to one of them or to a table of `known`.

    Raises ContractError when the database does not answer, lacks a table, or a table has no primary key.
    """
    import sqlalchemy

    # A URL without a driver means the one that is installed.
    address = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url)
    try:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.pool.NullPool)
        with engine.connect() as connection:
            inspector = sqlalchemy.inspect(connection)
            return {
                table: _draft(
                    table,
                    schema,
                    connection.execute(sqlalchemy.text(_COLUMNS), {"schema": schema, "table": table}).fetchall(),
                    inspector,
                    {*tables, *known},
                )
                for table in tables
            }
    except sqlalchemy.exc.SQLAlchemyError as error:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise ContractError(
            f"PostgreSQL cannot be read: {lines[0] if lines else type(error).__name__}; expected "
            "postgresql://user@host:port/database, with the password in PGPASSWORD"
        ) from error


def _draft(table: str, schema: str, rows: Sequence[Any], inspector: Inspector, tables: set[str]) -> Draft:
    if not rows:
        existing = ", ".join(sorted(inspector.get_table_names(schema))) or "none"
        raise ContractError(f"PostgreSQL has no table {schema}.{table}; it has {existing}")
    key = inspector.get_pk_constraint(table, schema)["constrained_columns"]
    if not key:
        raise ContractError(
            f"table {schema}.{table} has no primary key, by which its events are distinguished: add one"
        )
    notes: list[str] = []
    columns, ignored = [], ["__*"]
    for name, type_name, not_null, comment, is_enum in rows:
        column = _column(name, "text" if is_enum else type_name, notes, table)
        if column is None:
            ignored.append(name)
            continue
        columns.append(replace(column, description=comment or "", required=bool(not_null), primary_key=name in key))
        if not comment:
            notes.append(f"{table}.{name} has no comment: write its description")
    if missing := [name for name in key if name in ignored]:
        raise ContractError(
            f"the key of {schema}.{table} has the column {missing[0]}, which cannot be taken: {notes[0]}"
        )
    relationships = tuple(_relationships(table, inspector.get_foreign_keys(table, schema), tables, notes))
    bound = {name for item in relationships for name in item.columns} | set(key)
    about = inspector.get_table_comment(table, schema)["text"] or f"{table} of PostgreSQL."
    by_day = any(column.name == "created_at" and column.type is LogicalType.TIMESTAMP for column in columns)
    contract = Contract(
        table=table,
        description=about,
        columns=tuple(classified(table, column, bound, notes) for column in columns),
        cluster_by="to_date(created_at)" if by_day else "date",
        source=f"{table}.odcs.yaml",
        ignored=tuple(ignored),
        relationships=relationships,
    )
    return Draft(contract, tuple(notes))


def _column(name: str, type_name: str, notes: list[str], table: str) -> Column | None:
    where = f"{table}.{name}"
    if not is_identifier(name) or name in RESERVED_WORDS:
        notes.append(f"{where} is ignored: its name cannot be used as it is; let the connector rename it")
        return None
    plain = re.sub(r"\((\d+)\)", "", type_name)
    if plain in _TYPES:
        return Column(name, _TYPES[plain])
    if plain.startswith("timestamp"):
        return Column(name, LogicalType.TIMESTAMP)
    if plain.startswith("numeric"):
        stated = _NUMERIC.fullmatch(type_name)
        precision, scale = (int(stated[1]), int(stated[2])) if stated else _WIDE
        if not stated:
            notes.append(f"{where} is {type_name} without a limit: decimal({precision},{scale}) is a guess")
        if 0 <= scale <= precision <= _WIDE[0]:
            return Column(name, LogicalType.DECIMAL, precision=precision, scale=scale)
    if plain in ("real", "double precision"):
        notes.append(f"{where} is ignored: {type_name} is not exact; make it numeric(p, s)")
    else:
        notes.append(
            f"{where} is ignored: {type_name} has no counterpart; expected numbers, text, times, boolean or uuid"
        )
    return None


def _relationships(
    table: str, foreign_keys: Sequence[Mapping[str, Any]], tables: set[str], notes: list[str]
) -> list[Relationship]:
    relationships = []
    for item in sorted(foreign_keys, key=lambda item: item["constrained_columns"]):
        columns, parent = tuple(item["constrained_columns"]), item["referred_table"]
        if parent in tables:
            relationships.append(Relationship(columns, parent, tuple(item["referred_columns"])))
        else:
            notes.append(f"{table}.{', '.join(columns)} refers to {parent}, which has no contract: left out")
    return relationships
