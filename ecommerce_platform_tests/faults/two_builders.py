"""Two builders of one warehouse, each with a data folder of its own: one runs or waits while the other is killed.

What belongs here: the warehouse that both reach, the kinds of builders, and starting one that dies at a chosen point. What does
not: what must be true afterwards (transformation/test_two_builders.py). Run as `python -m … KIND POINT SIDE NTH`; the settings
come from the environment. Prints one line when it holds its turn, and one with the points that it passed when it has finished.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform_tests.faults.kill_points import Kill, Passages, install, platform_points

#: A dead builder elsewhere is waited for so long; the test's processes are of one machine, where death shows at once.
LEASE_SECONDS = 4


def environment_of(server: Settings, data_dir: Path) -> dict[str, str]:
    """A shell with a data folder of its own, which reaches the warehouse of `server` by its address."""
    from ecommerce_platform.stand_ins.servers import ensure_snowflake

    endpoint = ensure_snowflake(server.data_dir)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECOMMERCE_")}
    return kept | {
        "PYTHONPATH": str(PROJECT_DIR),
        "ECOMMERCE_DATA_DIR": str(data_dir),
        "ECOMMERCE_SNOWFLAKE__HOST": endpoint.host,
        "ECOMMERCE_SNOWFLAKE__PORT": str(endpoint.port),
        "ECOMMERCE_SNOWFLAKE__PROTOCOL": "http",
        "ECOMMERCE_SNOWFLAKE__PASSWORD": endpoint.password,
        "ECOMMERCE_SNOWFLAKE__LEASE_SECONDS": str(LEASE_SECONDS),
        "ECOMMERCE_DBT__TARGET_PATH": str(server.dbt.target_path),
        "ECOMMERCE_DBT__WAIT_FOR_BUILD_SECONDS": "300",
    }


def start(environment: dict[str, str], kind: str, kill: Kill | None = None) -> subprocess.Popen[str]:
    """A builder in a session of its own, so that a kill takes all of it."""
    at = (kill.point, kill.side, str(kill.nth)) if kill else ("", "", "0")
    return subprocess.Popen(
        [sys.executable, "-m", __name__, kind, *at],
        env=environment,
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def by_job(settings: Settings) -> None:
    """What the step of a job does, without Dagster."""
    from ecommerce_platform_tests.faults.rooms import transform

    transform(settings, f"job-{os.getpid()}")


def by_rebuild(settings: Settings) -> None:
    """`ecommerce-platform rebuild staging`."""
    from ecommerce_platform.transformation.builds.rebuild import Models, rebuild_models
    from ecommerce_platform.warehouse.load.rebuild import Range
    from ecommerce_platform.warehouse.sql.connection import connect

    run_id = f"rebuild-{os.getpid()}"
    rebuild_models(settings, partial(connect, settings, run_id), Models.STAGING, Range(), run_id, lambda line: None)


KINDS = {"job": by_job, "rebuild": by_rebuild}


def main(kind: str, point: str, side: str, nth: str) -> None:
    passages = Passages(Kill(point, side, int(nth)) if point else None)
    install(passages, platform_points())
    KINDS[kind](load_settings())
    print(json.dumps(passages.seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
