"""Trouble reaches the client at once, as a SQL error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select * from raw.nowhere", "NOWHERE does not exist"),
        ("select nope from values (1)", "NOPE"),
        ("selec 1", "selec"),
        ("select 'x'::number", "Could not convert"),
        ("copy into raw.nowhere from @raw.load_stage pattern = 'x'", "stand-in cannot run this"),
        ("select '2026-01-02'::timestamp_ntz - '2026-01-01'::timestamp_ntz", "column type INTERVAL"),
        ("explain select 1", "stand-in cannot run this"),
        ("select error('a message of DuckDB')", "a message of DuckDB"),
    ],
)
def test_a_statement_that_cannot_run_is_refused_at_once(sql: Callable[..., Any], statement: str, expected: str) -> None:
    started = time.monotonic()
    with pytest.raises(ProgrammingError, match=expected):
        sql(statement)
    assert time.monotonic() - started < 30
