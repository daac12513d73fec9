"""Children forked from a warm parent: each has all modules imported, runs one piece of work, and can be killed.

What belongs here: starting, killing, waiting. What does not: what they run (rooms.py) and where they die (kill_points.py).
The parent must not have started a JVM, a server or threads that hold locks: a child gets the parent's memory as it is.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Ended:
    """How a child ended: killed, or with a result, or with what it raised."""

    killed: bool
    seconds: float
    result: Any = None
    error: str | None = None


class Child:
    """A forked process in a session of its own, so that a kill takes its JVM with it."""

    def __init__(self, work: Callable[[], Any], log: Path) -> None:
        self._started = time.monotonic()
        self._receive, send = Pipe(duplex=False)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(work, send, log)
        send.close()

    def wait(self, seconds: float) -> Ended | None:
        """How it ended, or None when it still runs after so many seconds."""
        if not self._receive.poll(seconds):
            return None
        try:
            result, error = self._receive.recv()
        except EOFError:
            result, error = None, None
        took = time.monotonic() - self._started
        if result is not None or error is not None:
            # What it was to do is done; a JVM of its own would take seconds to leave by itself.
            self.kill()
        _, status = os.waitpid(self.pid, 0)
        self._receive.close()
        if result is None and error is None:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            return Ended(killed, took, error=None if killed else f"ended with status {status} and said nothing")
        return Ended(False, took, result, error)

    def kill(self) -> None:
        """SIGKILL to the process and to all that it started, but servers with a session of their own."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.kill_descendants()

    def kill_descendants(self) -> None:
        """What is left of its session, such as a JVM whose owner was killed alone."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(work: Callable[[], Any], log: Path, seconds: float = 600) -> Any:
    """The result of `work` in a child. Raises RuntimeError with what the child raised, or when it takes too long."""
    child = Child(work, log)
    ended = child.wait(seconds)
    if ended is None:
        child.kill()
        child.wait(60)
        raise RuntimeError(f"a child took longer than {seconds} s; its words are in {log}")
    if ended.error is not None or ended.killed:
        raise RuntimeError(f"a child failed: {ended.error or 'killed by somebody else'}; its words are in {log}")
    return ended.result


def _live(work: Callable[[], Any], send: Connection, log: Path) -> NoReturn:
    """The child's life: its output goes to the log, its result through the pipe, and nothing of the parent's cleanup runs."""
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # a child that hangs can be asked where
    try:
        send.send((work() or "done", None))
    except BaseException:  # noqa: BLE001 - reported to the parent, which decides
        send.send((None, traceback.format_exc()))
    finally:
        os._exit(0)
