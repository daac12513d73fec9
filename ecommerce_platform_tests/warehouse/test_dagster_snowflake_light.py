"""dagster-snowflake without Snowpark: what a new process has imported for its first connection, and what still works."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SEEN = """
import json, sys
from ecommerce_platform.warehouse.dagster_snowflake_light import SnowflakeResource
import dagster_snowflake
import dagster_snowflake.resources as resources
early = sorted(name for name in sys.modules if name.startswith(("snowflake.snowpark", "snowflake.core")))
same = SnowflakeResource is dagster_snowflake.SnowflakeResource
session = resources.snowpark.Session.builder
import snowflake.core, snowflake.snowpark
print(json.dumps({
    "early": early,
    "same": same,
    "session": type(session).__module__,
    "root": type(resources.Root).__name__,
    "real": [snowflake.core.Root.__module__, snowflake.snowpark.Session.__module__],
}))
"""


def run(script: str) -> dict[str, object]:
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(ended.stdout)
    return answer


@pytest.mark.slow
def test_snowpark_comes_when_something_is_done_with_it() -> None:
    answer = run(_SEEN)
    assert answer["early"] == []
    assert answer["same"] is True
    assert answer["session"] == "snowflake.snowpark.session"
    assert answer["root"] == "_Name"
    assert answer["real"] == ["snowflake.core._root", "snowflake.snowpark.session"]


@pytest.mark.slow
def test_a_process_that_has_snowpark_already_is_left_as_it_is() -> None:
    answer = run("import snowflake.snowpark\n" + _SEEN)
    assert "snowflake.core" in str(answer["early"])
    assert answer["root"] == "ABCMeta" or answer["root"] == "type"
