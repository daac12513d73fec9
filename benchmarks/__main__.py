"""Runs benchmarks, one after another, each in a process of its own: python -m benchmarks [--quick] [name …]

What belongs here: which benchmarks there are, and the exit code. What does not: measuring.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys

from benchmarks import report, results
from benchmarks.harness import Size

#: In this order; each is a module benchmarks.<name> with a function run(size) -> Report.
BENCHMARKS = (
    "reconciliation",
    "lakehouse_audit",
    "warehouse_load",
    "change_events",
    "forms",
    "whole_day",
    "memory",
    "volumes",
    "definitions_load",
    "small_day",
    "backfill",
    "history",
)
#: Need what is not there without further ado (a Kubernetes node), so they are run when they are named.
APART = ("executors",)
#: Several installations each: minutes even with small data, so they are not among the quick ones unless they are named.
LONG = ("backfill", "history")
#: Exit code of a benchmark's own process; 1 is what Python ends with when it broke.
_MISSED = 3


def main() -> int:
    """0 when every goal was met; 1 when one was missed; 2 when a benchmark could not be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"of: {', '.join((*BENCHMARKS, *APART))}; without any, all but the last",
    )
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = Size.QUICK if arguments.quick else Size.FULL
    if unknown := set(arguments.names) - {*BENCHMARKS, *APART}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join((*BENCHMARKS, *APART))}")
    if arguments.here:
        return run_here(arguments.names[0], size)
    names = arguments.names or [name for name in BENCHMARKS if size is Size.FULL or name not in LONG]
    codes = [_run_apart(name, size) for name in names]
    print(f"written: {report.write_pages()}")
    return max(codes)


def run_here(name: str, size: Size) -> int:
    """Run one benchmark in this process, write its result file and print its lines."""
    load_before = os.getloadavg()
    timings = importlib.import_module(f"benchmarks.{name}").run(size)
    results.write(timings, load_before)
    for row in timings.rows:
        print(f"{row.line()} [{name}, {size}]", flush=True)
    return 0 if all(row.met for row in timings.rows) else _MISSED


def _run_apart(name: str, size: Size) -> int:
    """A benchmark that breaks does not end the others."""
    flags = ["--quick"] if size is Size.QUICK else []
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--here", *flags, name], cwd=report.PROJECT, check=False
    )
    if ended.returncode in (0, _MISSED):
        return int(ended.returncode == _MISSED)
    print(f"GOAL MISSED: {name} could not be run (exit code {ended.returncode}) [{name}, {size}]", flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
