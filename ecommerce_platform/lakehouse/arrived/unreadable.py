"""Which landing files make a writing job fail: all of them, after one failed attempt.

What belongs here: reading each file by itself, the cause in Spark's message, and the refusal's words. What does not: footers
(physical.py), which show most troubles before Spark starts, and what follows for the day (ingest/job.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ecommerce_platform.contracts import Contract
from ecommerce_platform.lakehouse.arrived.arrivals import ArrivedFile, DayArrival, file_groups
from ecommerce_platform.lakehouse.decode.change_events import is_unfit, read_group

#: What Spark raises when a job fails: translated where PySpark knows the error, else as it comes from the JVM.
SPARK_ERRORS = (PySparkException, Py4JError)
#: What the platform's own planning of a file raises for a form that it did not foresee.
PLANNING_ERRORS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
)

#: Files that are read at once; each is a Spark job of its own.
_READERS = 4

#: Troubles of the machine, the network or the storage: no file is refused for them.
_AROUND = (
    "No space left on device",
    "Too many open files",
    "OutOfMemoryError",
    "UnknownHostException",
    "ConnectException",
    "Connection refused",
    "Connection reset",
    "SocketTimeoutException",
    "ConnectTimeoutException",
    "Unable to execute HTTP request",
    "AccessDenied",
    "Permission denied",
    "stopped SparkContext",
    "SparkContext was shut down",
    "SparkContext is shutting down",
    "cancelled as part of cancellation",
    "Job aborted due to stage failure: Task not serializable",
)


def is_of_the_machine(error: Exception) -> bool:
    """Whether the trouble lies around the files and says nothing of them."""
    # A JVM that is gone says nothing of what it was reading.
    return isinstance(error, Py4JNetworkError) or any(name in str(error) for name in _AROUND)


def unreadable_files(
    spark: SparkSession, contract: Contract, arrivals: Sequence[DayArrival]
) -> dict[date, tuple[str, ...]]:
    """By day, the refusal of each file with rows that fails when it is read by itself; every file is read once.

    Raises one of SPARK_ERRORS for a trouble of the machine.
    """
    files = [(arrival, file) for arrival in arrivals for file in arrival.files if file.footer.rows]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="probe") as pool:
        refusals = list(pool.map(lambda item: _refusal(spark, contract, *item), files))
    by_day: dict[date, tuple[str, ...]] = {}
    for (arrival, _), refusal in zip(files, refusals, strict=True):
        if refusal:
            by_day[arrival.day] = (*by_day.get(arrival.day, ()), refusal)
    return by_day


def _refusal(spark: SparkSession, contract: Contract, arrival: DayArrival, file: ArrivedFile) -> str | None:
    where = f"{arrival.table}/{file.path}"
    try:
        for group in file_groups(contract, [replace(arrival, files=(file,))]):
            frame = read_group(spark, contract, group)
            frame.withColumn("_unfit", is_unfit(contract)).write.format("noop").mode("overwrite").save()
    except SPARK_ERRORS as error:
        if is_of_the_machine(error):
            raise
        return (
            f"{where}: its footer is whole, but its data cannot be read: {cause_of(error)}; expected a whole Parquet file in an "
            "encoding that Spark reads: write it again, then materialize the day again"
        )
    except PLANNING_ERRORS as error:
        return f"{where}: it cannot be decoded: {error}; expected a file as the contract {contract.source} has it"
    return None


def cause_of(error: Exception) -> str:
    """The line of Spark's message that says why: the innermost cause."""
    lines = [line.strip() for line in str(error).splitlines()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes or [line for line in lines if line] or ["no message"])[-1 if causes else 0][:300]
