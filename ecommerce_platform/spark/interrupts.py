"""Calls to Spark that a signal interrupts, and the end of this process's Spark from another thread.

What belongs here: what Py4J and PySpark leave out of that. What does not: when a process ends (execution/ending.py).

It is called where Spark is in use already; its module itself imports nothing of it.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ecommerce_platform.execution.ending import asked


def drop_interrupted_connections() -> None:
    """From now on, a call to the JVM that a signal interrupts closes its connection.

    Py4J keeps a connection for each thread. An exception of a signal handler leaves it while the JVM still works on the call; the
    thread's next call, which may be in a `finally` of PySpark, would wait for the answer to that.
    """
    from py4j.clientserver import ClientServerConnection

    send = ClientServerConnection.send_command
    if getattr(send, "closes_when_interrupted", False):
        return

    def send_command(self: Any, command: str) -> Any:
        try:
            return send(self, command)
        except Exception:
            raise
        except BaseException:
            self.close()
            raise

    send_command.closes_when_interrupted = True  # type: ignore[attr-defined]
    ClientServerConnection.send_command = send_command


def drop_words_on_broken_calls() -> None:
    """Once this process was asked to end, a call that the end of the JVM breaks writes no traceback: it is what was asked for.

    Py4J writes one by the root logger, in whichever thread the call was.
    """
    logging.getLogger().addFilter(_is_no_call_that_the_end_breaks)


def _is_no_call_that_the_end_breaks(record: logging.LogRecord) -> bool:
    return asked() is None or record.module != "java_gateway"


@contextmanager
def own_ctrl_c() -> Iterator[None]:
    """Around the start of Spark: SIGINT stays with whoever has it.

    PySpark's own handler cancels all jobs over the connection that is waiting for one of them, and waits for that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def cancel_jobs() -> None:
    """Cancels all jobs of this process's Spark, if it has one. From a thread that makes no other call of Spark."""
    from pyspark import SparkContext

    if (context := SparkContext._active_spark_context) is not None:
        # A JVM that is gone, or is going, has no jobs.
        with suppress(Exception):
            context.cancelAllJobs()


def end_jvm(seconds: float) -> None:
    """Ends the JVM that this process started, if there is one: asked first, killed after `seconds`."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
