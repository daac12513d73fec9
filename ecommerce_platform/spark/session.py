"""The Spark session of this process.

What belongs here: how Spark starts and how it is configured. What does not: catalogs (iceberg/catalog.py) and tables.

Starting a JVM with Spark is the most expensive thing that a step does, so there is one Spark application a process. A second
`build_session` with other catalog settings (a test with a folder of its own) gets a session of its own in that application.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ecommerce_platform.ending import must_end
from ecommerce_platform.iceberg.catalog import needs_s3, prepare_catalog, spark_catalog_options
from ecommerce_platform.iceberg.s3_options import hadoop_s3_options
from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.class_archive import archive_options
from ecommerce_platform.spark.interrupts import cancel_jobs, drop_interrupted_connections, end_jvm, own_ctrl_c
from ecommerce_platform.spark.jars import CORE, S3, default_jars_dir, ensure_jars
from ecommerce_platform.spark.java import require_java

_LOG_SETTINGS = Path(__file__).parent / "log4j2.properties"
#: In the place of PySpark's own script.
SPARK_SUBMIT = Path(__file__).parent / "spark_submit.sh"

#: A run that reads less than this (bytes of landing files) is over before the optimising compiler has paid: with 300,000 orders,
#: 39 MB, both take the same time, with fewer the first is up to a third faster, with a million the second.
SMALL_INPUT = 32 * 2**20
_START_SOON = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
#: The optimising compiler begins ten times later than by the JVM's own defaults: compiling costs cores that Spark needs.
_RUN_LONG = (
    "-XX:+UseParallelGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=10000 "
    "-XX:Tier4CompileThreshold=100000 -XX:Tier4BackEdgeThreshold=400000"
)
#: Bytes of landing files that come to a partition of a shuffle, about: ten times as many in memory.
_INPUT_PER_PARTITION = 32 * 2**20
_LOCAL_JVM_OPTIONS = "-XX:ReservedCodeCacheSize=256m -Xshare:auto"

#: spark-submit sets it for the Python process that it starts.
SUBMITTED = "PYSPARK_GATEWAY_PORT"

_CATALOG_PREFIX = "spark.sql.catalog."

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
    started here: how much the run will read, None when nobody knows. Raises JavaError, JarError, or
    SparkSessionError when the running application lacks the S3 jars that these settings need.
    """
    with _lock:
        prepare_catalog(settings)
        options = spark_catalog_options(settings)
        # Whatever else a catalog wants, such as headers of a REST server; set late, as it may be secret.
        options |= {name: value for name, value in settings.spark.extra.items() if name.startswith(_CATALOG_PREFIX)}
        if needs_s3(settings):
            options |= {f"spark.hadoop.{name}": value for name, value in hadoop_s3_options(settings.s3).items()}
        key = tuple(sorted(options.items()))
        context = SparkContext._active_spark_context
        if context is None:
            _sessions.clear()
            drop_interrupted_connections()
            must_end(cancel_jobs, end_jvm)
            with own_ctrl_c():
                session = _start(settings, app_name, groups, input_bytes)
        elif key in _sessions:
            return _sessions[key]
        else:
            root = SparkSession.builder.getOrCreate()
            session = root.newSession() if _sessions else root
        _configure(session, settings, options)
        _sessions[key] = session
        return session


def stop_session() -> None:
    """Ends the process's Spark application, if there is one."""
    with _lock:
        _sessions.clear()
        context = SparkContext._active_spark_context
        if context is not None:
            SparkSession.builder.getOrCreate().stop()


def _start(
    settings: Settings, app_name: str, groups: frozenset[str] | None, input_bytes: Callable[[], int | None]
) -> SparkSession:
    java = require_java()
    os.environ.setdefault("JAVA_HOME", str(java.executable.resolve().parent.parent))
    if SUBMITTED in os.environ:
        return _start_submitted(settings)
    jars = ensure_jars(default_jars_dir(settings.spark), groups or jar_groups(settings))
    options = application_options(settings, jars, input_bytes)
    if SparkContext._gateway is None:
        _start_jvm(app_name, options)
    builder = SparkSession.builder.appName(app_name)
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _start_jvm(app_name: str, options: dict[str, str]) -> None:
    """Starts this process's Spark in a JVM as PySpark would start it, by the platform's own script."""
    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    conf = SparkConf().setAll(list(options.items()))
    SparkContext(appName=app_name, conf=conf, gateway=launch_gateway(conf, {"executable": str(SPARK_SUBMIT)}))


def _start_submitted(settings: Settings) -> SparkSession:
    """The session of a process that spark-submit started: what it was given (master, memory, jars) stays as it is."""
    # The first call connects to the JVM that spark-submit started, whose options SparkConf then reads.
    SparkContext.getSystemProperty("SPARK_SUBMIT")
    given = SparkConf()
    builder = SparkSession.builder
    for name, value in application_options(settings, ()).items():
        if not given.contains(name):
            builder = builder.config(name, value)
    return builder.getOrCreate()


def jar_groups(settings: Settings) -> frozenset[str]:
    """The groups of jars that these settings need."""
    return frozenset({CORE, S3}) if needs_s3(settings) else frozenset({CORE})


def application_options(
    settings: Settings, jars: tuple[Path, ...], input_bytes: Callable[[], int | None] = lambda: None
) -> dict[str, str]:
    """Options that Spark must have when it starts: they go on its command line, so none of them is secret."""
    spark = settings.spark
    # In `local-cluster` the executors are processes of their own, to which Spark must send the jars.
    local = spark.master.startswith("local") and not spark.master.startswith("local-cluster")
    options = {
        "spark.master": spark.master,
        "spark.driver.memory": spark.driver_memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.eventLog.enabled": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.adaptive.coalescePartitions.enabled": "true",
        "spark.sql.adaptive.skewJoin.enabled": "true",
        "spark.sql.adaptive.localShuffleReader.enabled": "true",
        # Where a stage turns out empty this rule drops what was observed before it: the rows on their way to quarantine,
        # when a day has no others.
        "spark.sql.adaptive.optimizer.excludedRules": (
            "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"
        ),
        "spark.sql.warehouse.dir": str(settings.data_dir / "spark-warehouse"),
        "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()}",
    }
    if local:
        landed = input_bytes()
        options |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # The driver's port is open to every user of the machine.
            "spark.authenticate": "true",
            # On the class path, the jars are opened where they lie; as spark.jars they would be copied at each start.
            "spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in jars),
            "spark.sql.shuffle.partitions": str(
                spark.shuffle_partitions or _local_shuffle_partitions(spark.master, landed)
            ),
        }
        jvm = " ".join((spark.jvm_options or _jvm_options(landed), _LOCAL_JVM_OPTIONS, *archive_options(jars)))
        options["spark.driver.extraJavaOptions"] += f" {jvm}"
    else:
        options["spark.jars"] = ",".join(str(jar) for jar in jars)
        # For executors, which do not have the driver's log settings.
        options["spark.log.level"] = "ERROR"
        if spark.shuffle_partitions:
            options["spark.sql.shuffle.partitions"] = str(spark.shuffle_partitions)
    return options | {name: value for name, value in spark.extra.items() if not name.startswith(_CATALOG_PREFIX)}


def _jvm_options(input_bytes: int | None) -> str:
    return _RUN_LONG if input_bytes is None or input_bytes >= SMALL_INPUT else _START_SOON


def _local_shuffle_partitions(master: str, input_bytes: int | None) -> int:
    """Twice the cores: a day's data is small, and each partition costs a task. More of them where much is read, so that a
    task sorts its partition in memory: five million orders (600 MB) took a fifth longer in four.
    """
    inside = master.partition("[")[2].rstrip("]").split(",")[0]
    cores = int(inside) if inside.isdigit() else (os.cpu_count() or 2 if inside == "*" else 1)
    return max(2, cores * 2, (input_bytes or 0) // _INPUT_PER_PARTITION)


def _configure(session: SparkSession, settings: Settings, options: dict[str, str]) -> None:
    if needs_s3(settings) and not _has_class(session, "org.apache.iceberg.aws.s3.S3FileIO"):
        raise SparkSessionError(
            "these settings need S3, and this process's Spark was started without the S3 jars; "
            "start a new process, or build the first session with groups={'core', 's3'}"
        )
    if settings.lakehouse.catalog_type == "glue":
        _set_aws_credentials(settings)
    hadoop = session.sparkContext._jsc.hadoopConfiguration()
    for name, value in options.items():
        if name.startswith("spark.hadoop."):
            hadoop.set(name.removeprefix("spark.hadoop."), value)
        else:
            session.conf.set(name, value)


def _set_aws_credentials(settings: Settings) -> None:
    """Iceberg hands the keys of its options to S3 only; Glue's client asks AWS's own chain, which begins with these."""
    s3 = settings.s3
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
