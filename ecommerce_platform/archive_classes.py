"""`python -m ecommerce_platform.archive_classes`: writes the archive of Spark's classes, once; `make archive` calls it.

With `--in-background`, as after `make demo`, another process writes it, and this one ends at once.

What belongs here: a small day's work in a folder of its own, so that the JVM has loaded what days need. What does not: where the
archive lies and how it is used (spark/class_archive.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.spark.class_archive import archive_folder, archive_path, recording_options
from ecommerce_platform.spark.jars import CORE, default_jars_dir, ensure_jars

_START = date(2026, 1, 1)
_DAYS = 2
_SECONDS_TO_WRITE = 300


class ClassArchiveError(RuntimeError):
    """The JVM wrote no archive; the message says why."""


def ensure_archive() -> bool:
    """Writes the archive unless it is there; whether it had to. Raises ClassArchiveError, or what stops Spark."""
    jars = _jars()
    path = archive_path(jars)
    if path.exists():
        return False
    archive_folder().mkdir(exist_ok=True)
    for old in archive_folder().glob("*.jsa"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="class-archive-") as folder:
        new = path.with_suffix(f".{os.getpid()}")
        try:
            _work(Path(folder), jars, new)
            if not new.exists():
                raise ClassArchiveError(
                    "the JVM wrote none; expected a Java with class data sharing (try java -Xshare:dump)"
                )
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    return True


def _jars() -> tuple[Path, ...]:
    return ensure_jars(default_jars_dir(load_settings().spark), frozenset({CORE}))


def _work(folder: Path, jars: tuple[Path, ...], archive: Path) -> None:
    """Days of the sample shop through Spark in this process, then the end of its JVM."""
    from ecommerce_platform.analytics.assets import published_input
    from ecommerce_platform.analytics.compute import refresh
    from ecommerce_platform.analytics.declared import TABLES
    from ecommerce_platform.lakehouse.arrived.arrivals import Intake
    from ecommerce_platform.lakehouse.ingest.ingestion import ingest
    from ecommerce_platform.lakehouse.ingest.job import Ingest
    from ecommerce_platform.sample_shop import generate_sample
    from ecommerce_platform.spark.options import SparkApplication, application_options
    from ecommerce_platform.spark.session import build_session

    settings = Settings(data_dir=folder / "data", start_date=_START)
    options = "spark.driver.extraJavaOptions"
    jvm_options = " ".join(
        (application_options(SparkApplication.of(settings), jars)[options], *recording_options(archive))
    )
    spark = settings.spark.model_copy(update={"engine": "process", "extra": {options: jvm_options}})
    settings = settings.model_copy(update={"spark": spark})
    generate_sample(
        settings.landing_uri, folder / "realtime", seed=1, start=_START, days=_DAYS, orders_per_day=100, faults=False
    )
    lake, intake = Lake.of(settings), Intake.of(settings)
    # Day by day: the second one finds tables and state.
    for number in range(_DAYS):
        day = _START + timedelta(days=number)
        ingest(Ingest(lake, intake, lambda: build_session(settings), f"archive-{number}"), [day])
        published = published_input(lake, BusinessSpan.of(settings))
        refresh(lambda: build_session(settings), lake, settings.spark, published, TABLES, f"archive-{number}")
    _end_jvm()


def _end_jvm() -> None:
    """Ends Spark and waits for its process, which writes the archive when it ends."""
    from pyspark import SparkContext

    from ecommerce_platform.spark.session import stop_session

    gateway = SparkContext._gateway
    assert gateway is not None, "the work has started one"
    process: subprocess.Popen[bytes] = gateway.proc
    stop_session()
    gateway.shutdown()
    assert process.stdin is not None, "PySpark ends its JVM by closing this"
    process.stdin.close()
    process.wait(_SECONDS_TO_WRITE)


def archive_in_background(log: Path) -> bool:
    """Starts a process of low priority that writes the archive, unless it is there; returns whether it did."""
    if archive_path(_jars()).exists():
        return False
    with log.open("ab") as output:
        subprocess.Popen(
            ["nice", "-n", "10", sys.executable, "-m", "ecommerce_platform.archive_classes"],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return True


def main() -> int:
    """Exit code 0 also without an archive, which nothing needs: Spark starts some seconds later then."""
    started = time.monotonic()
    log = Path(sys.prefix) / "class-archives.log"
    try:
        if "--in-background" in sys.argv[1:]:
            if archive_in_background(log):
                print(f"Spark's classes are archived in the background, for shorter starts from then on ({log}).")
        elif ensure_archive():
            print(
                f"Spark's classes archived in {time.monotonic() - started:.0f} s; each start of Spark is shorter for it"
            )
    except Exception as error:  # noqa: BLE001 - reported, and nothing depends on it
        print(f"no archive of Spark's classes, so that Spark starts more slowly: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
