"""Processes that open a new DAGSTER_HOME at once: one makes it, all can use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform.operations import jobs
from ecommerce_platform_tests.case_sets import spread

INSTANCE = Path(jobs.__file__).parent / "dagster.yaml"
#: Children of one process that has imported everything: they reach the barrier together, and open the home together.
AT_ONCE = """
import multiprocessing, os, sys
import dagster as dg
from ecommerce_platform.operations.first_use import open_instance
from ecommerce_platform.operations.event_log import BatchingSqliteEventLogStorage

def use(barrier, opener):
    barrier.wait()
    with opener() as instance:
        instance.get_runs_count()
        instance.all_asset_keys()
        instance.all_instigator_state()

def at_once(home, opener, number=6):
    os.environ["DAGSTER_HOME"] = home
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(number)
    processes = [fork.Process(target=use, args=(barrier, opener)) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return sum(process.exitcode != 0 for process in processes)

opener = {"dagster": dg.DagsterInstance.get, "platform": open_instance}[sys.argv[1]]
sys.exit(sum(at_once(home, opener) for home in sys.argv[2:]))
"""


def failed_at_once(opener: str, homes: list[Path]) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-c", AT_ONCE, opener, *map(str, homes)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"DAGSTER_DISABLE_TELEMETRY": "yes"},
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("opener", spread(["platform", "dagster"], everyday=0, slow=1))
def test_six_first_runs_at_once_on_a_new_home_all_succeed(tmp_path: Path, opener: str) -> None:
    homes = [tmp_path / f"home-{number}" for number in range(4)]
    for home in homes:
        home.mkdir()
        if opener == "dagster":  # `dagster asset materialize`, the daemon, the web server: the storages alone see to it
            shutil.copy(INSTANCE, home / "dagster.yaml")
    failed, errors = failed_at_once(opener, homes)
    assert failed == 0, errors[-3000:]


@pytest.mark.skipif(os.geteuid() != 0, reason="root makes the file system read-only, in a mount namespace of its own")
def test_a_home_that_is_read_only_is_opened_all_the_same(tmp_path: Path) -> None:
    home, files = tmp_path / "home", tmp_path / "files"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"storage:\n  sqlite:\n    base_dir: {files}\n"
        f"local_artifact_storage:\n  module: dagster.core.storage.root\n  class: LocalArtifactStorage\n"
        f"  config:\n    base_dir: {files}\n"
        "compute_logs:\n  module: dagster.core.storage.noop_compute_log_manager\n  class: NoOpComputeLogManager\n"
    )
    use = (
        "from ecommerce_platform.operations.first_use import open_instance\n"
        "with open_instance() as instance:\n    print(instance.get_runs_count())\n"
    )
    read_only = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" -c "$2"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", read_only, str(home), sys.executable, use],
        env=os.environ | {"DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr[-2000:]
