"""How a process of the platform ends when it is asked to: by SIGTERM (Kubernetes, a drained node, `kill`) or by ctrl-C.

What belongs here: the time limit, and what must not outlive the process. What does not: what work puts right on its way
out (its own `finally`), and whether a run goes on elsewhere (resuming.py).

The signal becomes an exception in the main thread, by Dagster's handler or Python's own, and the work unwinds: leases are given
back, staged files removed, launched processes and pods ended. Beside that, a thread makes sure that the process ends: at once it
interrupts what threads wait for (Spark's jobs), because whoever waits cannot unwind; later it ends that (the JVM); at last,
before Kubernetes would, it kills what the process has started, and the process itself. Nothing is lost by that: every piece of
work can be killed anywhere.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: From the signal to SIGKILL. Kubernetes gives a pod 30 seconds.
DEADLINE_SECONDS = 20.0
#: How long what was begun is only interrupted, before it is ended.
_INTERRUPT_SECONDS = 8.0
#: What it then has for its own end, with the removal of its temporary files.
_END_SECONDS = 5.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_asked: signal.Signals | None = None
_watched = False
_interrupts: dict[Callable[[], None], Callable[[float], None]] = {}


def must_end(interrupt: Callable[[], None], end: Callable[[float], None]) -> None:
    """Names something that this process has begun and that must not keep it from ending.

    When the process is asked to end, `interrupt` is called again and again, as other threads may begin more of it, and then `end`
    with the seconds that it may take. Both are called from a thread, and may be called when there is nothing to do.
    """
    _interrupts[interrupt] = end


def asked() -> signal.Signals | None:
    """The signal by which this process was asked to end; None while it was not."""
    return _asked


@contextmanager
def ending_in_time() -> Iterator[None]:
    """While the context lasts, a request to end this process is met within DEADLINE_SECONDS.

    Only in the main thread, which alone receives signals; elsewhere, and inside another such context, it does nothing. A process
    whose SIGTERM has no handler gets one that raises KeyboardInterrupt, as ctrl-C does.
    """
    global _watched
    if _watched or threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    unhandled = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if unhandled:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Whoever owns the handlers meanwhile (Dagster, PySpark, Snowflake's connector): this hears of each signal.
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    heard = threading.Event()
    threading.Thread(target=_listen, args=(reader, heard), name="ending", daemon=True).start()
    _watched = True
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        writer.close()
        heard.wait()
        if _asked is None:
            _watched = False
            if unhandled:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
        else:
            _end()


def _listen(reader: socket.socket, heard: threading.Event) -> None:
    """Waits for a signal or, as it was closed, for the end of what is in the pipe."""
    global _asked
    with reader:
        while (numbers := reader.recv(1)) and numbers[0] not in _SIGNALS:
            pass
    if numbers:
        _asked = signal.Signals(numbers[0])
    heard.set()
    if _asked is None:
        return
    started = time.monotonic()
    threading.Thread(target=_interrupt_then_end, name="ending-work", daemon=True).start()
    threading.Event().wait(DEADLINE_SECONDS - (time.monotonic() - started))
    print(
        f"{_asked.name} was not followed by an end within {DEADLINE_SECONDS:g} s: killing this process and what it started. "
        "Nothing that was published is lost; `ecommerce-platform spark sweep` removes what is left on a cluster",
        file=sys.__stderr__,
        flush=True,
    )
    for process in descendants(os.getpid()):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
    os._exit(128 + _asked)


def _interrupt_then_end() -> None:
    pause, until = threading.Event(), time.monotonic() + _INTERRUPT_SECONDS
    while time.monotonic() < until:
        for interrupt in list(_interrupts):
            interrupt()
        pause.wait(0.5)
    _end()


def _end() -> None:
    for end in list(_interrupts.values()):
        end(_END_SECONDS)


def descendants(process: int, proc: Path = Path("/proc")) -> list[int]:
    """The processes that this one started, and those that they started; none where /proc is missing."""
    children: dict[int, list[int]] = {}
    for path in proc.glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    reached = [process]
    for parent in reached:
        reached += children.get(parent, [])
    return reached[1:]


def _forget_parents_signals() -> None:
    """A forked child has the pipe of its parent, which must not hear of the child's signals."""
    global _watched
    if _watched:
        _watched = False
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_forget_parents_signals)
