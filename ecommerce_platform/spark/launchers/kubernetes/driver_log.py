"""The driver's log on its way into the step's compute log, while the driver runs.

What belongs here: following one pod's log, through breaks of the connection. What does not: what its end means.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque

import urllib3

from ecommerce_platform.spark.launchers.kubernetes.cluster import Cluster, ClusterAwayError, ClusterRefusedError

TAIL_LINES = 20
_AGAIN_SECONDS = 1.0


class DriverLog:
    """Follows a pod's log in a thread and writes it to this process's standard output, each line once.

    A line is known by its time, not by its place: after a rotation of the log a new request begins with another file, in which
    places count from zero.
    """

    def __init__(self, cluster: Cluster, pod: str) -> None:
        self._cluster = cluster
        self._pod = pod
        #: The time of the last line written, and how many lines of just that time were.
        self._last = ("", 0)
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
        rest, at, of_this_time = b"", "", 0
        try:
            for chunk in stream.stream(8192):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    at, of_this_time = self._take(line, at, of_this_time)
        finally:
            stream.close()
        if rest:  # what breaks off in the middle of a line is asked for again; a log may end without a line break
            self._take(rest, at, of_this_time)

    def _take(self, line: bytes, before: str, of_that_time: int) -> tuple[str, int]:
        """Writes the line unless it was written; its time, and how many lines of that time this stream has had."""
        stamp, _, text = line.partition(b" ")
        at = _sortable(stamp.decode(errors="replace"))
        number = of_that_time + 1 if at == before else 1
        if (at, number) > self._last:
            self._last = (at, number)
            shown = text.decode(errors="replace")
            sys.stdout.write(f"{shown}\n")
            sys.stdout.flush()
            if shown.strip():
                self._tail.append(shown)
        return at, number


def _sortable(stamp: str) -> str:
    """A time of RFC 3339 with all nine digits of its second: the cluster leaves out zeros at the end."""
    seconds, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"
