"""Pauses between the tries of a commit that another writer forestalled.

What belongs here: how long to wait, and when to give up. What does not: what is committed (lakehouse/).

Writers that met once meet again when each comes back at once. A pause is drawn at random between nothing and a limit that
doubles ("full jitter": M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015), so that of many writers one
gets through at almost every try.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: A commit is given up after so many seconds of conflicts; each try takes a few reads of metadata.
COMMIT_SECONDS = 60.0
_FIRST_SECONDS, _LONGEST_SECONDS = 0.05, 4.0


class Backoff:
    """The pauses of one commit. `seconds` bound the time from its making to the last try."""

    def __init__(
        self,
        seconds: float = COMMIT_SECONDS,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        between: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._sleep, self._clock, self._between = sleep, clock, between
        self._deadline = clock() + seconds
        self._limit = _FIRST_SECONDS

    def pause(self) -> bool:
        """Waits before the next try; False, at once, when the time is over."""
        seconds = self._between(0, self._limit)
        if self._clock() + seconds > self._deadline:
            return False
        self._limit = min(2 * self._limit, _LONGEST_SECONDS)
        self._sleep(seconds)
        return True
