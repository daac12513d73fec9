"""An archive of the classes that Spark loads: the JVM maps it instead of unpacking and checking thousands of them at each start.

What belongs here: where the archive lies, when it fits, and the JVM's options. What does not: the work during which the classes
are loaded (ecommerce_platform/archive_classes.py).

Java's own class data sharing (JEP 350): the archive fits one Java, one class path, and nothing else; where it does not fit, the
JVM starts as it would without. It lies in the virtual environment, whose path is in the class path, and goes with it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from ecommerce_platform.spark.java import require_java

#: A JVM that finds the archive unfit says nothing, and starts without.
_SILENT = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_folder() -> Path:
    return Path(sys.prefix) / "class-archives"


def archive_path(jars: Iterable[Path]) -> Path:
    """Where the archive for Spark with these jars on its class path lies, if there is one. Raises JavaError without Java."""
    import pyspark

    of_spark = _jars_of_spark()
    parts = [
        require_java().version_output,
        pyspark.__version__,
        str(of_spark),
        *(_stamp(jar) for jar in (of_spark, *jars)),
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return archive_folder() / f"{digest}.jsa"


def archive_options(jars: Iterable[Path]) -> tuple[str, ...]:
    """Options of a JVM that uses the archive; none when there is no archive, or no folder of jars: a process that spark-submit
    started has PySpark from a zip file, and its JVM is running.
    """
    if not archive_folder().is_dir() or not _jars_of_spark().is_dir():
        return ()
    path = archive_path(jars)
    return (f"-XX:SharedArchiveFile={path}", *_SILENT) if path.exists() else ()


def recording_options(path: Path) -> tuple[str, ...]:
    """Options of a JVM that writes the archive when it ends."""
    return (f"-XX:ArchiveClassesAtExit={path}", *_SILENT)


def _jars_of_spark() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent / "jars"


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"
