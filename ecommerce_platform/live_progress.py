"""Where long work is: one live line on a terminal, a plain line now and then in CI, in a file and in a pipe.

What belongs here: showing. What does not: what is counted (the work calls `reached` with a step, how much of it is done, and of
how much).

    with live_progress("days") as reached:
        reached("orders", 3, 14)
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

#: Hears of a step by its name, how much of it is done, and of how much; None where nobody knows that beforehand.
Reached = Callable[[str, int, int | None], None]
Clock = Callable[[], float]

#: In CI, a reader who hears nothing for longer than this wonders whether the work stands still.
QUIET_SECONDS = 15.0


def unseen(step: str, done: int, total: int | None) -> None:
    """For work that nobody watches."""


@dataclass(frozen=True)
class Stage:
    """A step as it was reported last. `began` and `now` are seconds of one clock."""

    name: str
    done: int
    total: int | None
    began: float
    now: float

    def words(self, unit: str) -> str:
        """`3 of 14 days, 1.5 days/s, 8 s left`; without a total, how much and for how long."""
        seconds = self.now - self.began
        if self.total is None:
            return (f"{self.done:,} {unit}, " if self.done else "") + f"{_duration(seconds)} so far"
        parts = [f"{self.done:,} of {self.total:,} {unit}"]
        if 0 < self.done < self.total and seconds > 0:
            rate = self.done / seconds
            parts += [_rate(rate, unit), f"{_duration((self.total - self.done) / rate)} left"]
        elif self.done < self.total:
            parts.append(f"{_duration(seconds)} so far")
        else:
            parts.append(_duration(seconds))
        return ", ".join(parts)


def _rate(per_second: float, unit: str) -> str:
    if per_second >= 1:
        return f"{per_second:,.0f} {unit}/s"
    return f"{per_second * 60:,.1f} {unit}/min"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def is_watched(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a line may move: somebody sits at a terminal. CI gives some jobs a terminal that nobody sits at."""
    return stream.isatty() and environment.get("TERM") != "dumb" and not environment.get("CI")


@contextmanager
def live_progress(unit: str, stream: TextIO | None = None, clock: Clock = time.monotonic) -> Iterator[Reached]:
    """While the context lasts, what is reported to the callable is shown on `stream`, else on stderr.

    The callable may be called from any thread. What is printed meanwhile, on stdout or stderr, appears above the live line. The
    line is gone when the context ends, also by an error or ctrl-C.
    """
    stream = stream or sys.stderr
    show = _on_terminal if is_watched(stream, os.environ) else _in_lines
    with show(unit, stream, clock) as reached:
        yield reached


@contextmanager
def _on_terminal(unit: str, stream: TextIO, clock: Clock) -> Iterator[Reached]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
    from rich.text import Text

    class Words(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            total = None if task.total is None else int(task.total)
            return Text(Stage(task.description, int(task.completed), total, task.fields["began"], clock()).words(unit))

    tasks: dict[str, TaskID] = {}
    lock = threading.Lock()
    description = TextColumn("{task.description}", markup=False)
    console = Console(file=stream)
    with Progress(SpinnerColumn(), description, BarColumn(20), Words(), console=console, transient=True) as bar:

        def reached(step: str, done: int, total: int | None) -> None:
            with lock:
                if step not in tasks:
                    tasks[step] = bar.add_task(step, total=total, began=clock())
            # What is done leaves the line to what is on its way.
            bar.update(tasks[step], completed=done, total=total, visible=total is None or done < total)

        yield reached


@contextmanager
def _in_lines(unit: str, stream: TextIO, clock: Clock) -> Iterator[Reached]:
    lines = _Lines(unit, stream, clock)
    ended = threading.Event()

    def remind() -> None:
        while not ended.wait(QUIET_SECONDS / 5):
            lines.remind()

    reminder = threading.Thread(target=remind, name="progress", daemon=True)
    reminder.start()
    try:
        yield lines.reached
    finally:
        ended.set()
        reminder.join()


class _Lines:
    """Says where the work is whenever nothing was said of it for QUIET_SECONDS."""

    def __init__(self, unit: str, stream: TextIO, clock: Clock) -> None:
        self._unit, self._stream, self._clock = unit, stream, clock
        self._stages: dict[str, Stage] = {}
        self._last_report_at = clock()
        self._lock = threading.Lock()

    def reached(self, step: str, done: int, total: int | None) -> None:
        with self._lock:
            now = self._clock()
            known = self._stages.get(step)
            self._stages[step] = Stage(step, done, total, known.began if known else now, now)
        self.remind()

    def remind(self) -> None:
        with self._lock:
            now = self._clock()
            open_stages = [stage for stage in self._stages.values() if stage.total is None or stage.done < stage.total]
            if now - self._last_report_at < QUIET_SECONDS or not open_stages:
                return
            self._last_report_at = now
            for stage in open_stages:
                words = Stage(stage.name, stage.done, stage.total, stage.began, now).words(self._unit)
                print(f"  … {stage.name}: {words}", file=self._stream, flush=True)
