"""The driver's log comes through breaks of the connection and rotations of the file: each line once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ecommerce_platform.spark.launchers.kubernetes.driver_log import DriverLog


class Streams:
    """What the API server answers, request by request; the last answer again and again."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.all_asked = threading.Event()

    def log_stream(self, pod: str) -> Any:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if self.asked >= len(self.answers):
            self.all_asked.set()
        return Stream(answer)


class Stream:
    def __init__(self, text: str) -> None:
        self.text = text.encode()

    def stream(self, size: int) -> Iterator[bytes]:
        for start in range(0, len(self.text), 7):  # in pieces that break lines anywhere
            yield self.text[start : start + 7]

    def close(self) -> None: ...


def line(number: int, time: str | None = None) -> str:
    return f"2026-01-01T00:00:{time or f'{number:02d}.5'}Z line {number}\n"


def written(capsys: pytest.CaptureFixture[str], *answers: str) -> list[str]:
    streams = Streams(*answers)
    log = DriverLog(streams, "driver")  # type: ignore[arg-type]
    assert streams.all_asked.wait(30)
    log.finish(30)
    return capsys.readouterr().out.splitlines()


def lines(*numbers: int) -> list[str]:
    return [f"line {number}" for number in numbers]


def test_a_stream_that_begins_again_repeats_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    first, whole = "".join(map(line, (1, 2))), "".join(map(line, (1, 2, 3)))
    assert written(capsys, first, whole) == lines(1, 2, 3)


def test_a_rotated_file_is_shorter_and_loses_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = "".join(map(line, range(1, 8))), "".join(map(line, (8, 9)))
    assert written(capsys, before, after) == lines(*range(1, 10))


def test_lines_of_one_moment_and_times_with_fewer_digits_come_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    same = line(1, "05.1") + line(2, "05.1") + line(3, "05.12")
    assert written(capsys, line(1, "05.1"), same) == lines(1, 2, 3)
