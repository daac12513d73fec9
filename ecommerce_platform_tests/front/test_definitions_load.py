"""What loading the definitions brings along, which each command, server and step's process pays for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_LOADED = """
import sys
import ecommerce_platform.definitions
slow = ("dbt.version", "snowflake.connector", "pandas", "matplotlib", "chdb", "duckdb")
print(*(name for name in slow if name in sys.modules))
"""
_DEFINITIONS = """
import sys
if {dbt_first}:
    import dbt.version, dagster_dbt
from ecommerce_platform.definitions import defs
graph = defs.resolve_asset_graph()
for key in sorted(graph.get_all_asset_keys(), key=str):
    node = graph.get(key)
    parents = sorted(map(str, node.parent_keys))
    print(key, parents, node.group_name, repr(node.description), sorted(node.kinds), sorted(node.metadata))
for key in sorted(graph.asset_check_keys, key=str):
    print(key, graph.get_check_spec(key))
"""


_WITH_DUCKDB = """
{first}
{second}
with duckdb.connect() as engine:
    assert engine.execute("select 1").fetchall() == [(1,)]
"""


def _output(script: str) -> str:
    # Dependencies come out of sets: the same seed gives both processes the same order.
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout


def test_nothing_that_only_steps_need_is_imported() -> None:
    assert _output(_LOADED).split() == []


@pytest.mark.slow
def test_the_definitions_are_the_same_whether_dbt_core_was_imported_before_or_not() -> None:
    without, after = (_output(_DEFINITIONS.format(dbt_first=first)) for first in (False, True))
    assert without.count("\n") > 50
    assert without == after


@pytest.mark.parametrize("duckdb_first", [True, False])
def test_a_process_that_used_duckdb_ends_silently(duckdb_first: bool) -> None:
    imports = ("import duckdb", "import ecommerce_platform.definitions")
    first, second = imports if duckdb_first else reversed(imports)
    command = [sys.executable, "-W", "ignore", "-c", _WITH_DUCKDB.format(first=first, second=second)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "leak" not in done.stderr
