"""Libraries of later steps are imported by a thread of their own, and whoever needs one meanwhile waits for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform.execution.beforehand import import_beforehand


def test_modules_are_imported_in_turn_and_one_that_fails_is_left_to_whoever_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "breaks_beforehand.py").write_text("raise OSError('no such library')")
    (tmp_path / "comes_beforehand.py").write_text("import threading\nthread = threading.current_thread().name")
    import_beforehand("breaks_beforehand", "comes_beforehand").join()
    assert sys.modules["comes_beforehand"].thread == "imports"
    with pytest.raises(OSError, match="no such library"):
        __import__("breaks_beforehand")
    # The thread of the first call has ended.
    (tmp_path / "comes_later.py").write_text("")
    import_beforehand("comes_later").join()
    assert "comes_later" in sys.modules


def test_a_process_that_ends_waits_for_the_import_at_hand_and_begins_no_other(tmp_path: Path) -> None:
    (tmp_path / "lasts.py").write_text(
        "import sys, threading; sys.begun.set(); threading.main_thread().join(); print('imported')"
    )
    (tmp_path / "comes_next.py").write_text("print('begun')")
    code = (
        "import sys, threading; sys.begun = threading.Event()\n"
        "from ecommerce_platform.execution.beforehand import import_beforehand\n"
        "import_beforehand('lasts', 'comes_next'); sys.begun.wait()"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert ended.stdout.splitlines() == ["imported"]


_RESOURCES = """
import sys
import dagster as dg
from ecommerce_platform.execution.beforehand import import_beforehand
from ecommerce_platform.reconciliation.resource import ReconciliationResource
from ecommerce_platform.settings import load_settings
from ecommerce_platform.transformation.resource import DbtResource
from ecommerce_platform.warehouse.resource import WarehouseResource
drawing = {"matplotlib.figure"}
late = {"dbt.cli.main", "dbt.adapters.snowflake", "snowflake.connector", "dagster_snowflake", *drawing}
elsewhere = load_settings(snowflake={"account": "of-somebody", "user": "batch", "password": "none"})
resources = {"warehouse": WarehouseResource.of(elsewhere), "dbt": DbtResource(), "reconciliation": ReconciliationResource()}

@dg.op(required_resource_keys=set(resources))
def step():
    import_beforehand().join()

@dg.job(resource_defs=resources)
def run():
    step()

# As a sensor has it.
resources["reconciliation"].setup_for_execution(dg.build_init_resource_context())
import_beforehand().join()
print(sorted(late & sys.modules.keys()))
run.execute_in_process()
print(sorted(late - sys.modules.keys()))
"""


def test_the_resources_of_a_run_import_what_their_steps_need() -> None:
    ended = subprocess.run([sys.executable, "-c", _RESOURCES], check=True, capture_output=True, text=True)
    assert ended.stdout.splitlines() == ["[]", "[]"], ended.stderr
