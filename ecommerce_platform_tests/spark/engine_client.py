"""A process that uses the Spark server of a data folder: `python -m … FOLDER WHAT`; says what it did as JSON lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.engine import ServerPlan, SparkServerLostError, attached, ensure
from ecommerce_platform.spark.options import SparkApplication
from ecommerce_platform.spark.session import build_session, stop_session

#: Takes hours, in one task, so that others have a core.
ENDLESS = "select count_if(id % 7 = 3) from range(0, 100000000000000, 1, 1)"


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def jvm_of(session: SparkSession) -> Any:
    return session.sparkContext._jvm


def facts_of(session: SparkSession) -> dict[str, object]:
    """What a process sees of the JVM that it uses."""
    jvm = jvm_of(session)
    tracker = session.sparkContext.statusTracker()
    return {
        "attached": attached(),
        "jvm": jvm.java.lang.ProcessHandle.current().pid(),
        "sum": session.range(10).selectExpr("sum(id) as s").collect()[0].s,
        "jobs": len(tracker.getActiveJobsIds()),
        "cached": session.sparkContext._jsc.getPersistentRDDs().size(),
        "temporary": [row.viewName for row in session.sql("show views").collect()],
        "most_memory": jvm.java.lang.Runtime.getRuntime().maxMemory(),
        "gateway": session.sparkContext._gateway.gateway_parameters.port,  # type: ignore[union-attr]
        "secret": session.sparkContext._gateway.gateway_parameters.auth_token,  # type: ignore[union-attr]
    }


def main(folder: Path, what: str) -> None:
    settings = load_settings(data_dir=folder)
    application = SparkApplication.of(settings)
    if what == "begin":
        ensure(application)
        say(server=ServerPlan.of(application, None, "a token").fingerprint)
    session = build_session(settings)
    say(**facts_of(session))
    if what == "begin":
        say(server=ServerPlan.of(application, None, "a token").fingerprint)
    if what in ("look", "begin"):
        return
    if what == "print":
        text = "x" * 2**20
        for _ in range(12):
            jvm_of(session).java.lang.System.err.println(text)
        return
    if what == "wait":
        session.range(5).createOrReplaceTempView("mine")
        say(temporary=[row.viewName for row in session.sql("show views").collect()])
        sys.stdin.readline()
        return
    session.range(1000).persist(StorageLevel.MEMORY_ONLY).count()
    say(job="begins")
    try:
        session.sql(ENDLESS).collect()
    except SparkServerLostError as error:
        say(lost=str(error))
        os.environ["ECOMMERCE_SPARK__SERVER_IDLE_SECONDS"] = "2"
        say(**facts_of(build_session(load_settings(data_dir=folder))))
        stop_session()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
