"""The driver's log on its way into the step's compute log, while the driver runs.

What belongs here: following one pod's log, through breaks of the connection. What does not: what its end means.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque

import urllib3

from ecommerce_platform.spark.launchers.cluster import Cluster, ClusterAwayError, ClusterRefusedError

TAIL_LINES = 20
_AGAIN_SECONDS = 1.0


class DriverLog:
    """Follows a pod's log in a thread and writes it to this process's standard output, each byte once."""

    def __init__(self, cluster: Cluster, pod: str) -> None:
        self._cluster = cluster
        self._pod = pod
        self._written = 0
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driver-log", daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> tuple[str, ...]:
        """Waits for the rest of the log of a driver that has ended, this long at most; the last lines."""
        self._ended.set()
        self._thread.join(seconds)
        return tuple(self._tail)

    def _run(self) -> None:
        complete = False
        while not complete:
            # What was asked for before the end may be cut short; what is asked for after it is all there is.
            complete = self._ended.is_set()
            # A quiet driver, one without a pod yet, an API server that is away: the next try goes on from where this one came.
            with contextlib.suppress(ClusterAwayError, ClusterRefusedError, urllib3.exceptions.HTTPError, OSError):
                self._read()
            if not complete:
                self._ended.wait(_AGAIN_SECONDS)

    def _read(self) -> None:
        stream = self._cluster.log_stream(self._pod)
        if stream is None:
            return
        position, rest = 0, b""
        try:
            for chunk in stream.stream(8192):
                fresh = chunk[max(0, self._written - position) :]
                position += len(chunk)
                if not fresh:
                    continue
                self._written += len(fresh)
                sys.stdout.write(fresh.decode(errors="replace"))
                sys.stdout.flush()
                *lines, rest = (rest + fresh).split(b"\n")
                self._tail.extend(line.decode(errors="replace") for line in lines if line.strip())
        finally:
            if rest.strip():
                self._tail.append(rest.decode(errors="replace"))
            stream.close()
