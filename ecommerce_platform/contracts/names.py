"""Names that a source table or column cannot have.

What belongs here: what the platform and Snowflake keep for themselves. What does not: names in landing files beyond the contract
(lakehouse/decode/evolution.py).
"""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*")
_OWN_TABLE = "the platform has a table of that name in RAW"
_OWN_MODEL = "the platform has a model base_<name> of its own"

#: Tables, or beginnings of them that end in `_`, and who has them.
RESERVED_TABLES = {
    **dict.fromkeys(
        ("load_ledger", "load_lock", "load_stage", "leases", "platform_version", "installation"), _OWN_TABLE
    ),
    **dict.fromkeys(
        ("landing_days", "changed_keys", "moved_texts", "superseded_batches", "snapshot_changes", "price_history"),
        _OWN_MODEL,
    ),
    "superseded_": "superseded_<table> keeps the rows that a later load replaced",
    "spark_": "spark_<table> is a copy of Spark's analytics",
}

#: Words that Snowflake does not take as a column's name without quotes.
_WORDS = """
    all alter and any as between by case cast check column connect constraint create cross current current_date
    current_time current_timestamp current_user delete distinct drop else exists false following for from full
    grant group gscluster having ilike in increment inner insert intersect into is join lateral left like
    localtime localtimestamp minus natural not null of on or order qualify regexp revoke right rlike row rows
    sample select set some start table tablesample then to trigger true try_cast union unique update using values
    when whenever where with
"""
RESERVED_WORDS = frozenset(_WORDS.split())


def is_identifier(name: str) -> bool:
    """Whether the name is usable without quotes in every engine: lower-case letters, digits, `_`."""
    return _IDENTIFIER.fullmatch(name) is not None
