"""What a process does when it is asked to end: real processes and real signals."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ecommerce_platform.execution import ending

FRAME = """
import os, pathlib, signal, subprocess, sys, threading
from ecommerce_platform.execution import ending
ending.DEADLINE_SECONDS, ending._INTERRUPT_SECONDS = {seconds}, 0.2
def note(text): print(text, flush=True)
"""


def process(body: str, seconds: float = 20) -> subprocess.Popen[str]:
    """A process that has printed `ready`."""
    code = FRAME.format(seconds=seconds) + textwrap.dedent(body)
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def ended(child: subprocess.Popen[str]) -> tuple[int, str, float]:
    """Exit code, output and seconds of a process."""
    began = time.monotonic()
    output, _ = child.communicate(timeout=60)
    return child.returncode, output, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_work_that_is_asked_to_end_unwinds_and_says_by_which_signal(number: signal.Signals) -> None:
    child = process(
        """
        try:
            with ending.ending_in_time():
                try:
                    note("ready")
                    threading.Event().wait()
                finally:
                    note("put right")
        except KeyboardInterrupt:
            note(ending.asked().name)
        """
    )
    child.send_signal(number)
    code, output, _ = ended(child)
    assert (code, output) == (0, f"put right\n{number.name}\n")


def test_a_process_that_hangs_on_its_way_out_is_killed_with_what_it_started() -> None:
    child = process(
        """
        started = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
        sleeper = started.stdout.readline().strip()
        with ending.ending_in_time():
            try:
                note("ready")
                note(f"{started.pid} {sleeper}")
                threading.Event().wait()
            finally:
                threading.Event().wait()
        """,
        seconds=2,
    )
    assert child.stdout is not None
    begun = [int(pid) for pid in child.stdout.readline().split()]
    child.send_signal(signal.SIGTERM)
    code, output, seconds = ended(child)
    assert code == 128 + signal.SIGTERM
    assert seconds < 60
    assert "killing this process and what it started" in output
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in begun):
        assert time.monotonic() < deadline


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_what_threads_wait_for_is_interrupted_until_it_ends() -> None:
    child = process(
        """
        gone, tries = threading.Event(), []
        def interrupt():
            tries.append(1)
            if len(tries) == 3:
                gone.set()
        ending._INTERRUPT_SECONDS = 10
        ending.must_end(interrupt, lambda seconds: None)
        try:
            with ending.ending_in_time():
                worker = threading.Thread(target=gone.wait)
                worker.start()
                note("ready")
                try:
                    threading.Event().wait()
                finally:
                    worker.join()
        except KeyboardInterrupt:
            note("unwound")
        """
    )
    child.send_signal(signal.SIGTERM)
    assert ended(child)[:2] == (0, "unwound\n")


def test_what_does_not_heed_its_interruption_is_ended_before_the_process_is_killed() -> None:
    child = process(
        """
        gone = threading.Event()
        ending.must_end(lambda: None, lambda seconds: gone.set())
        try:
            with ending.ending_in_time():
                note("ready")
                try:
                    threading.Event().wait()
                finally:
                    gone.wait()
        except KeyboardInterrupt:
            note("unwound")
        """
    )
    child.send_signal(signal.SIGTERM)
    assert ended(child)[:2] == (0, "unwound\n")


def test_a_signal_to_a_forked_child_is_none_to_its_parent() -> None:
    child = process(
        """
        with ending.ending_in_time():
            pid = os.fork()
            if not pid:
                signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
                note("ready")
                threading.Event().wait()
            _, status = os.waitpid(pid, 0)
            note(os.waitstatus_to_exitcode(status))
            threading.Event().wait(0.2)
        note(ending.asked())
        """
    )
    (forked,) = ending.descendants(child.pid)
    os.kill(forked, signal.SIGTERM)
    assert ended(child)[:2] == (0, "7\nNone\n")


def test_after_the_context_a_signal_does_what_it_did_before() -> None:
    child = process(
        """
        with ending.ending_in_time():
            pass
        with ending.ending_in_time():
            pass
        note("ready")
        threading.Event().wait()
        """
    )
    child.send_signal(signal.SIGTERM)
    assert ended(child)[0] == -signal.SIGTERM
