"""A limit of the whole time that something outside may take.

What belongs here: waiting for an action so long and no longer. What does not: how long (settings), and what is done about it.

A socket's own limit is of each read. A server whose answer drips, byte after byte, holds a client forever by it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar, cast

Result = TypeVar("Result")


class TimeLimitError(TimeoutError):
    """The action did not end in time; its thread is left behind, and ends with the process."""


def within(seconds: float, action: Callable[[], Result], name: str) -> Result:
    """The result of `action`, or what it raises; TimeLimitError after so many seconds in all. It runs in a thread."""
    answer: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((action(), None))
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            answer.put((None, error))

    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        result, error = answer.get(timeout=seconds)
    except queue.Empty:
        raise TimeLimitError(f"no whole answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast("Result", result)
