"""The Spark session of this process.

What belongs here: where Spark comes from, and how a session is configured. What does not: what Spark starts with (options.py),
the server of a data folder (engine.py), catalogs (iceberg/catalog.py) and tables.

Starting a JVM with Spark is the most expensive thing that a step does, so there is one Spark application a process, or one for
all processes of a data folder. A second `build_session` with other catalog settings (a test with a folder of its own) gets a
session of its own in that application.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ecommerce_platform.execution.ending import must_end
from ecommerce_platform.iceberg.catalog import prepare_catalog, spark_catalog_options
from ecommerce_platform.iceberg.s3_options import hadoop_s3_options
from ecommerce_platform.settings import S3Settings, Settings
from ecommerce_platform.spark.engine import attach, attached, detach, detach_if_lost
from ecommerce_platform.spark.interrupts import (
    cancel_jobs,
    drop_interrupted_connections,
    drop_words_on_broken_calls,
    end_jvm,
    own_ctrl_c,
)
from ecommerce_platform.spark.jars import default_jars_dir, ensure_jars
from ecommerce_platform.spark.java import require_java
from ecommerce_platform.spark.options import (
    CATALOG_PREFIX,
    SHUFFLE_PARTITIONS,
    SparkApplication,
    application_options,
    spark_home,
)
from ecommerce_platform.spark.resolved import keep_resolved

#: In the place of PySpark's own script.
SPARK_SUBMIT = Path(__file__).parent / "spark_submit.sh"

#: spark-submit sets it for the Python process that it starts.
SUBMITTED = "PYSPARK_GATEWAY_PORT"

_lock = threading.RLock()
_sessions: dict[tuple[tuple[str, str], ...], SparkSession] = {}


class SparkSessionError(RuntimeError):
    """The process's Spark application cannot serve these settings; the message says why and what to do."""


def build_session(
    settings: Settings,
    app_name: str = "ecommerce-platform",
    groups: frozenset[str] | None = None,
    input_bytes: Callable[[], int | None] = lambda: None,
) -> SparkSession:
    """The session for `settings`: the process's own, started when there is none.

    `groups` are the jar groups to start with (by default those that the settings need). `input_bytes` is asked when a JVM is
    started here: how much the run will read, None when nobody knows. Raises JavaError, JarError, EmbeddedServerError, or
    SparkSessionError when the running application lacks the S3 jars that these settings need.
    """
    with _lock:
        detach_if_lost()
        prepare_catalog(settings.lakehouse)
        options = spark_catalog_options(settings.lakehouse, settings.s3)
        # Whatever else a catalog wants, such as headers of a REST server; set late, as it may be secret.
        options |= {name: value for name, value in settings.spark.extra.items() if name.startswith(CATALOG_PREFIX)}
        application = SparkApplication.of(settings)
        if application.s3:
            options |= {f"spark.hadoop.{name}": value for name, value in hadoop_s3_options(application.s3).items()}
        key = tuple(sorted(options.items()))
        context = SparkContext._active_spark_context
        if context is None:
            _sessions.clear()
            drop_interrupted_connections()
            drop_words_on_broken_calls()
            must_end(_interrupt, _end)
            with own_ctrl_c():
                session = _start(application, app_name, groups, input_bytes)
            keep_resolved(session.sparkContext)
        elif key in _sessions:
            return _sessions[key]
        else:
            root = SparkSession.builder.getOrCreate()
            session = root.newSession() if _sessions else root
        if application.s3:
            _require_s3_jars(session)
        if settings.lakehouse.catalog_type == "glue":
            _set_aws_credentials(settings.s3)
        _configure(session, options)
        _sessions[key] = session
        return session


def stop_session() -> None:
    """Ends the process's Spark application, if there is one; a server's is left to the others."""
    with _lock:
        _sessions.clear()
        if attached():
            detach()
        elif SparkContext._active_spark_context is not None:
            SparkSession.builder.getOrCreate().stop()


def _start(
    application: SparkApplication, app_name: str, groups: frozenset[str] | None, input_bytes: Callable[[], int | None]
) -> SparkSession:
    java = require_java()
    os.environ.setdefault("JAVA_HOME", str(java.executable.resolve().parent.parent))
    if SUBMITTED in os.environ:
        return _start_submitted(application)
    if application.spark.engine == "server" and (session := attach(application, groups)) is not None:
        # By what this run reads; the server does not know.
        session.conf.set(SHUFFLE_PARTITIONS, application_options(application, (), input_bytes)[SHUFFLE_PARTITIONS])
        return session
    jars = ensure_jars(default_jars_dir(application.spark), groups or application.jar_groups)
    options = application_options(application, jars, input_bytes)
    if SparkContext._gateway is None:
        start_jvm(app_name, options)
    builder = SparkSession.builder.appName(app_name)
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def start_jvm(app_name: str, options: dict[str, str], **popen: Any) -> subprocess.Popen[bytes]:
    """Starts this process's Spark in a JVM as PySpark would, by the platform's own script; `popen` says more of that process."""
    os.environ["SPARK_HOME"] = spark_home()
    conf = SparkConf().setAll(list(options.items()))
    gateway = launch_gateway(conf, {"executable": str(SPARK_SUBMIT), **popen})
    SparkContext(appName=app_name, conf=conf, gateway=gateway)
    process: subprocess.Popen[bytes] = gateway.proc
    return process


def _interrupt() -> None:
    """Cancels what this process's sessions do, from another thread; of a server, nobody else's."""
    if not attached():
        cancel_jobs()
        return
    for session in list(_sessions.values()):
        # A server that is gone has no jobs.
        with suppress(Exception):
            session.interruptAll()


def _end(seconds: float) -> None:
    if attached():
        detach()
    else:
        end_jvm(seconds)


def _start_submitted(application: SparkApplication) -> SparkSession:
    """The session of a process that spark-submit started: what it was given (master, memory, jars) stays as it is."""
    # The first call connects to the JVM that spark-submit started, whose options SparkConf then reads.
    SparkContext.getSystemProperty("SPARK_SUBMIT")
    given = SparkConf()
    builder = SparkSession.builder
    for name, value in application_options(application, ()).items():
        if not given.contains(name):
            builder = builder.config(name, value)
    return builder.getOrCreate()


def _require_s3_jars(session: SparkSession) -> None:
    if not _has_class(session, "org.apache.iceberg.aws.s3.S3FileIO"):
        raise SparkSessionError(
            "these settings need S3, and this process's Spark was started without the S3 jars; "
            "start a new process, or build the first session with groups={'core', 's3'}"
        )


def _configure(session: SparkSession, options: dict[str, str]) -> None:
    hadoop = session.sparkContext._jsc.hadoopConfiguration()
    for name, value in options.items():
        if name.startswith("spark.hadoop."):
            hadoop.set(name.removeprefix("spark.hadoop."), value)
        else:
            session.conf.set(name, value)


def _set_aws_credentials(s3: S3Settings) -> None:
    """Iceberg hands the keys of its options to S3 only; Glue's client asks AWS's own chain, which begins with these."""
    if s3.access_key_id and s3.secret_access_key:
        SparkContext.setSystemProperty("aws.accessKeyId", s3.access_key_id.get_secret_value())
        SparkContext.setSystemProperty("aws.secretAccessKey", s3.secret_access_key.get_secret_value())


def _has_class(session: SparkSession, name: str) -> bool:
    from py4j.protocol import Py4JJavaError

    jvm = session.sparkContext._jvm
    assert jvm is not None, "a running session has a JVM"
    try:
        jvm.java.lang.Class.forName(name)
    except Py4JJavaError:
        return False
    return True
