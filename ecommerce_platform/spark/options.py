"""What Spark must have when it starts, from the settings.

What belongs here: options of the application and its JVM, and the jars that the settings need. What does not: starting it
(session.py, engine_server.py) and options of a session's catalog (iceberg/catalog.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecommerce_platform.iceberg.catalog import needs_s3
from ecommerce_platform.settings import S3Settings, Settings, SparkSettings
from ecommerce_platform.spark.class_archive import archive_options
from ecommerce_platform.spark.jars import CORE, S3

#: Of options that belong to a session's catalog; set late, as they may be secret.
CATALOG_PREFIX = "spark.sql.catalog."
SHUFFLE_PARTITIONS = "spark.sql.shuffle.partitions"

LOG_SETTINGS = Path(__file__).parent / "log4j2.properties"

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
#: By itself the JVM compiles no method above 8,000 bytes of byte code, and runs it a hundred times slower. Spark makes one method
#: of the verdicts of all columns, which is larger: change events took twice as long.
COMPILE_LARGE_METHODS = "-XX:-DontCompileHugeMethods"
_LOCAL_JVM_OPTIONS = "-XX:ReservedCodeCacheSize=256m -Xshare:auto"


@dataclass(frozen=True)
class SparkApplication:
    """What an installation's Spark is started with."""

    spark: SparkSettings
    data_dir: Path
    #: None where nothing that Spark reads or writes lies on S3.
    s3: S3Settings | None

    @classmethod
    def of(cls, settings: Settings) -> SparkApplication:
        """The application of the settings."""
        return cls(settings.spark, settings.data_dir, settings.s3 if needs_s3(settings) else None)

    @property
    def jar_groups(self) -> frozenset[str]:
        """The groups of jars that it needs."""
        return frozenset({CORE, S3}) if self.s3 else frozenset({CORE})


def spark_home() -> str:
    """Where Spark lies: what the environment says, or PySpark's own."""
    import pyspark

    return os.environ.get("SPARK_HOME") or str(Path(pyspark.__file__).parent)


def application_options(
    application: SparkApplication, jars: tuple[Path, ...], input_bytes: Callable[[], int | None] = lambda: None
) -> dict[str, str]:
    """Options that Spark must have when it starts: they go on its command line, so none of them is secret."""
    spark = application.spark
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
        "spark.sql.warehouse.dir": str(application.data_dir / "spark-warehouse"),
        "spark.driver.extraJavaOptions": (
            f"-Duser.timezone=UTC -Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()} {COMPILE_LARGE_METHODS}"
        ),
    }
    if spark.tasks_in_driver:
        landed = input_bytes()
        options |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # The driver's port is open to every user of the machine.
            "spark.authenticate": "true",
            # On the class path, the jars are opened where they lie; as spark.jars they would be copied at each start.
            "spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in jars),
            SHUFFLE_PARTITIONS: str(spark.shuffle_partitions or _local_shuffle_partitions(spark.master, landed)),
        }
        jvm = " ".join((spark.jvm_options or _jvm_options(landed), _LOCAL_JVM_OPTIONS, *archive_options(jars)))
        options["spark.driver.extraJavaOptions"] += f" {jvm}"
    else:
        # Executors that are processes of their own are sent the jars.
        options["spark.jars"] = ",".join(str(jar) for jar in jars)
        options["spark.executor.extraJavaOptions"] = COMPILE_LARGE_METHODS
        # For executors, which do not have the driver's log settings.
        options["spark.log.level"] = "ERROR"
        if spark.shuffle_partitions:
            options[SHUFFLE_PARTITIONS] = str(spark.shuffle_partitions)
    return options | {name: value for name, value in spark.extra.items() if not name.startswith(CATALOG_PREFIX)}


def _jvm_options(input_bytes: int | None) -> str:
    return _RUN_LONG if input_bytes is None or input_bytes >= SMALL_INPUT else _START_SOON


def _local_shuffle_partitions(master: str, input_bytes: int | None) -> int:
    """Twice the cores: a day's data is small, and each partition costs a task. More of them where much is read, so that a
    task sorts its partition in memory: five million orders (600 MB) took a fifth longer in four.
    """
    inside = master.partition("[")[2].rstrip("]").split(",")[0]
    cores = int(inside) if inside.isdigit() else (os.cpu_count() or 2 if inside == "*" else 1)
    return max(2, cores * 2, (input_bytes or 0) // _INPUT_PER_PARTITION)
