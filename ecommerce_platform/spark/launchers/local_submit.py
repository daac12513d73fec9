"""Steps in a spark-submit process of their own, on this machine.

What belongs here: that process: its command line, its output, its end. What does not: what it runs (remote_main.py) and how its
events come back (relay.py).

A step's process gets the memory that it needs and gives it back; a crash of its JVM fails one step, not the Dagster process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TextIO

import pyspark
from dagster import DagsterEvent, StepExecutionContext, StepLauncher, raise_execution_interrupts

from ecommerce_platform.settings import Settings
from ecommerce_platform.spark.jars import default_jars_dir, ensure_jars
from ecommerce_platform.spark.java import require_java
from ecommerce_platform.spark.launchers.handover import remote_main
from ecommerce_platform.spark.launchers.handover.ending import ProcessEnd, failure_reason
from ecommerce_platform.spark.launchers.handover.identity import identify
from ecommerce_platform.spark.launchers.handover.relay import Relay, StepLaunchError
from ecommerce_platform.spark.launchers.handover.scratch import STEP_FILE, EventReader, Scratch
from ecommerce_platform.spark.launchers.handover.step_ref import digest, encode_step
from ecommerce_platform.spark.options import SparkApplication, application_options
from ecommerce_platform.spark.session import SPARK_SUBMIT

#: For a Java process that ends within seconds: the optimising compiler would cost it more than it gives.
SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
LOG_TAIL_LINES = 20
_POLL_SECONDS = 0.25
#: What a process that is asked to end has for it, and its readers then: less than the launcher's own (execution/ending.py).
_GRACE_SECONDS = 10.0


class LocalSubmitLauncher(StepLauncher):
    """Runs each step by spark-submit, in a process group of its own that ends with the step."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def launch_step(self, step_context: StepExecutionContext) -> Iterator[DagsterEvent]:
        """The step's events, as they come. Raises StepLaunchError with the reason when the process did not end well."""
        identity = identify(step_context)
        scratch = Scratch(f"{self._settings.scratch_uri}/{identity.folder}-{uuid.uuid4().hex[:8]}", self._settings.s3)
        reference = encode_step(step_context, self._settings.spark.code_location)
        scratch.write(STEP_FILE, reference)
        relay = Relay(step_context.instance, EventReader(scratch), identity)
        child = _Child(
            submit_command(SparkApplication.of(self._settings), identity.name, scratch.uri, digest(reference))
        )
        step_context.log.info(f"step {identity.step} runs in spark-submit process {child.pid}, as {identity.name}")
        cause = None
        try:
            while (code := self._wait(child)) is None:
                yield from relay.forward()
                if child.seconds() > self._settings.spark.running_seconds:
                    cause = f"it ran longer than {self._settings.spark.running_seconds} s (ECOMMERCE_SPARK__RUNNING_SECONDS)"
                    code = child.end()
                    break
            yield from relay.forward()
            report = relay.report
            reason = failure_reason(ProcessEnd(report, code, cause, child.log_tail()))
            if reason:
                raise StepLaunchError(f"step {identity.step} failed: {reason}")
            yield from relay.forward_ending()
        finally:
            child.end()
            with contextlib.suppress(Exception):
                scratch.remove()

    def _wait(self, child: _Child) -> int | None:
        with raise_execution_interrupts():
            return child.wait(_POLL_SECONDS)


def submit_command(application: SparkApplication, name: str, folder_uri: str, reference_digest: str) -> list[str]:
    """The command line of a step's process; it holds no secret. Raises JarError."""
    jars = ensure_jars(default_jars_dir(application.spark), application.jar_groups)
    options = application_options(application, jars) | {"spark.app.name": name}
    return [*spark_submit(options), str(Path(remote_main.__file__).resolve()), folder_uri, reference_digest]


def spark_submit(options: Mapping[str, str]) -> list[str]:
    """The command line of spark-submit with these options."""
    return [str(SPARK_SUBMIT), *(part for key in sorted(options) for part in ("--conf", f"{key}={options[key]}"))]


def submit_environment() -> dict[str, str]:
    """This process's environment, with what spark-submit looks for. Raises JavaError."""
    java_home = require_java().executable.resolve().parent.parent
    return os.environ | {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "JAVA_HOME": os.environ.get("JAVA_HOME") or str(java_home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # The process that puts spark-submit's own command line together.
        "SPARK_LAUNCHER_OPTS": os.environ.get("SPARK_LAUNCHER_OPTS", SHORT_LIVED),
        remote_main.LAUNCHER_PID: str(os.getpid()),
    }


class _Child:
    """A process in a group of its own, whose output goes to this process's, and whose last lines are kept."""

    def __init__(self, command: Sequence[str]) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - PySpark's own script, arguments from settings
            command,
            env=submit_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        pipes = (self._process.stdout, sys.stdout), (self._process.stderr, sys.stderr)
        self._readers = [self._copy(source, target) for source, target in pipes if source]

    @property
    def pid(self) -> int:
        return self._process.pid

    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._started

    def wait(self, seconds: float) -> int | None:
        """Its exit code, or None when it still runs after that time."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        # What is left of the group (Python without its JVM) has no purpose any more, and holds the pipes open.
        self._signal(signal.SIGKILL)
        for reader in self._readers:
            reader.join(_GRACE_SECONDS)
        return code

    def end(self) -> int:
        """Ends its whole group: asked first, then killed. The exit code."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_SECONDS)
            self._signal(signal.SIGKILL)
        return self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def log_tail(self) -> tuple[str, ...]:
        """The last lines that it wrote."""
        return tuple(self._tail)

    def _copy(self, source: IO[bytes], target: TextIO) -> threading.Thread:
        def run() -> None:
            for raw in source:
                line = raw.decode(errors="replace")
                self._tail.append(line.rstrip())
                target.write(line)
                target.flush()

        thread = threading.Thread(target=run, name="step-log", daemon=True)
        thread.start()
        return thread
