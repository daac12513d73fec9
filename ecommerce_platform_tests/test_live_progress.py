"""Long work says where it is: a live line on a terminal, plain lines elsewhere, and nothing of it stays when it ends."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecommerce_platform.live_progress import QUIET_SECONDS, Stage, is_watched, live_progress

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage("s", 0, 14, 0, 5), "0 of 14 days, 5 s so far"),
        (Stage("s", 4, 14, 0, 2), "4 of 14 days, 2 days/s, 5 s left"),
        (Stage("s", 1, 3, 0, 120), "1 of 3 days, 0.5 days/min, 4 min 0 s left"),
        (Stage("s", 14, 14, 0, 7), "14 of 14 days, 7 s"),
        (Stage("s", 1_500_000, None, 10, 40), "1,500,000 days, 30 s so far"),
        (Stage("s", 0, None, 0, 7300), "2 h 1 min so far"),
    ],
)
def test_a_stage_says_what_is_done_how_fast_and_for_how_long_still(stage: Stage, words: str) -> None:
    assert stage.words("days") == words


def test_without_a_terminal_a_line_is_printed_only_after_a_quiet_while() -> None:
    stream, clock = io.StringIO(), Clock()
    with live_progress("days", stream, clock) as reached:
        reached("orders", 0, 14)
        clock.seconds = QUIET_SECONDS - 1
        reached("orders", 1, 14)
        assert stream.getvalue() == ""
        clock.seconds = QUIET_SECONDS + 1
        reached("orders", 4, 14)
        reached("orders", 5, 14)
        clock.seconds += QUIET_SECONDS
        reached("orders", 14, 14)
    assert stream.getvalue() == "  … orders: 4 of 14 days, 15.0 days/min, 40 s left\n"


@pytest.mark.parametrize(
    ("terminal", "environment", "watched"),
    [(True, {}, True), (True, {"CI": "true"}, False), (True, {"TERM": "dumb"}, False), (False, {}, False)],
)
def test_a_line_moves_only_where_somebody_sits_at_a_terminal(
    terminal: bool, environment: dict[str, str], watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    assert is_watched(stream, environment) is watched


_WORK = """
import sys, threading
import typer
from ecommerce_platform.live_progress import live_progress
with live_progress("rows") as reached:
    reached("load [orders]", 400, 1000)
    typer.echo("a remark", err=True)
    print("READY", flush=True)
    threading.Event().wait(60 if "wait" in sys.argv else 0.3)
typer.echo("the result")
"""


def on_a_terminal(*arguments: str, interrupt: bool = False) -> tuple[str, int]:
    """What a terminal receives from the work, and its exit code."""
    controller, terminal = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", _WORK, *arguments],
        stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
        env={**kept, "TERM": "xterm", "COLUMNS": "100"}, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    os.close(terminal)
    received = b""
    try:
        while chunk := os.read(controller, 4096):
            received += chunk
            if interrupt and b"READY" in received:
                process.send_signal(signal.SIGINT)
                interrupt = False
    except OSError:
        assert process.wait(30) is not None  # the terminal is gone with its last writer
    finally:
        os.close(controller)
    return received.decode(), process.wait(30)


def test_on_a_terminal_one_line_moves_and_is_gone_at_the_end() -> None:
    received, code = on_a_terminal()
    assert code == 0
    text = _ESCAPE.sub("", received)
    assert "load [orders]" in text
    assert "400 of 1,000 rows" in text
    assert text.index("a remark") < text.index("the result")
    assert "\x1b[?25h" in received, "the cursor is shown again"
    last = received.rindex("400 of 1,000 rows")
    assert "\x1b[2K" in received[last : received.index("the result", last)], "the line is erased"


def test_ctrl_c_gives_the_terminal_back() -> None:
    received, code = on_a_terminal("wait", interrupt=True)
    assert code != 0
    assert received.rindex("\x1b[?25h") > received.rindex("\x1b[?25l")
    assert "the result" not in received
