"""Finding the orders that differ, and why: beside reladiff 0.6, and beside a full download with a join.

What belongs here: the cases and their goals. What does not: the data (data.py) and the contenders (ours.py, with_reladiff.py,
download.py), each of which runs in a process of its own that prints its seconds, bytes and ids.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, ratio, run_child
from benchmarks.reconciliation import data
from ecommerce_platform.settings import Settings
from ecommerce_platform.stand_ins.servers import down, ensure_clickhouse, status
from ecommerce_platform.warehouse.sql.connection import connection_arguments

PROJECT = Path(__file__).resolve().parents[2]
OTHER_PYTHON = PROJECT / ".venv-benchmarks" / "bin" / "python"
ORDERS = {Size.QUICK: 200_000, Size.FULL: 10_000_000}
ROUNDS = {Size.QUICK: 3, Size.FULL: 3}
OURS, RELADIFF, DOWNLOAD = "ecommerce-platform", "reladiff 0.6", "full download with a join"
NONE, ONE, HUNDREDTH = "none differs", "one order differs", "1 % differ"
#: One order in so many is planted before a case, in addition to those before it; 0 is a single one.
SHARES: dict[str, int | None] = {NONE: None, ONE: 0, "0.01 % differ": 10_000, HUNDREDTH: 100, "50 % differ": 2}
NOTES = (
    "reladiff runs with its defaults. Its SQL, search and comparison are untouched but for an adapter "
    "(`benchmarks/reconciliation/with_reladiff.py`): statements reach the ClickHouse stand-in over HTTP instead of the native "
    "protocol; the lower 60 bits of MD5 are taken with `mod` instead of `bitand`, and `convert_timezone` is left out, because "
    "the Snowflake stand-in lacks both. It reads ClickHouse through a view with `FINAL` and without deleted orders.",
    "Seconds are those of the comparison itself, without the start of Python and the connections; the platform's include the "
    "reasons with history and lineage of the first 100,000 orders that differ (its default), which the others do not have.",
)


def run(size: Size) -> Report:
    """Both cases on fresh stand-ins, which are ended and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-reconciliation-"))
    settings = data.settings_of(folder)
    try:
        data.load(settings, ORDERS[size])
        return _measure(settings, size)
    finally:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _measure(settings: Settings, size: Size) -> Report:
    orders = ORDERS[size]
    ours, reladiff, download = _ours(settings), _reladiff(settings), _download(settings)
    planted: set[int] = set()
    cases: dict[str, dict[str, Timing]] = {}
    for name, every in SHARES.items():
        if every is not None:
            planted.update(data.plant(settings, min(every or orders, orders), orders))
        # reladiff needs most of an hour where much differs; the others show the way that is cheaper there.
        contenders = [ours, download, *([reladiff] if name in (ONE, HUNDREDTH) else [])]
        rounds = ROUNDS[size] if name in (ONE, NONE) else 1
        cases[name] = race(contenders, rounds, expected=tuple(sorted(planted)))
    return Report(
        "reconciliation",
        "Reconciliation: which orders differ, and why",
        size,
        {
            "orders on each side": orders,
            "one order in twenty": "with an unmerged earlier version",
            "columns compared": 6,
        },
        tuple(_rows(cases)),
        cases,
        NOTES,
        ("clickhouse-connect", "snowflake-connector-python"),
    )


def _rows(cases: dict[str, dict[str, Timing]]) -> list[Row]:
    one, hundredth = cases[ONE], cases[HUNDREDTH]
    moved = one[OURS].figures["bytes"] / one[DOWNLOAD].figures["bytes"]
    return [
        Row(f"{ONE}: faster than reladiff", ratio(one, RELADIFF, OURS), "×", Goal(2, at_least=True)),
        Row(
            f"{ONE}: reladiff's processor seconds, of client and engines, beside ours",
            one[RELADIFF].figures["cpu_seconds"] / one[OURS].figures["cpu_seconds"],
            "×",
        ),
        Row(f"{ONE}: bytes moved, of the full download's", moved * 100, " %", Goal(1)),
        Row(
            f"{HUNDREDTH}: with a reason",
            hundredth[OURS].figures["explained_share"] * 100,
            " %",
            Goal(100, at_least=True),
        ),
        Row(f"{HUNDREDTH}: faster than reladiff", ratio(hundredth, RELADIFF, OURS), "×"),
        *(
            Row(f"{name}: search, of the time of a full download with a join", _search_share(timings), "×", Goal(1.2))
            for name, timings in cases.items()
        ),
        *(
            Row(f"{name}: memory of the process", timings[OURS].figures["memory_mib"] / 1024, " GiB", Goal(1))
            for name, timings in cases.items()
        ),
    ]


def _search_share(timings: dict[str, Timing]) -> float:
    """Of both the time in which the ids are known: the download gives no reasons."""
    return timings[OURS].figures["locate_seconds"] / timings[DOWNLOAD].median


def _cpu_of_servers(settings: Settings) -> float:
    """Seconds of processor time that both stand-ins have used so far."""
    total = 0
    for server in status(settings.data_dir):
        fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _ours(settings: Settings) -> Contender:
    command = [sys.executable, "-m", "benchmarks.reconciliation.ours", str(settings.data_dir)]
    return Contender(OURS, lambda: _outcome(command, settings))


def _download(settings: Settings) -> Contender:
    command = [sys.executable, "-m", "benchmarks.reconciliation.download", str(settings.data_dir)]
    return Contender(DOWNLOAD, lambda: _outcome(command, settings))


def _reladiff(settings: Settings) -> Contender:
    endpoint = ensure_clickhouse(settings.data_dir)
    parameters = ("user", "password", "account", "host", "port", "protocol", "database", "role", "warehouse")
    snowflake = {name: value for name, value in connection_arguments(settings).items() if name in parameters}
    clickhouse = {
        "host": endpoint.host,
        "port": endpoint.port,
        "password": endpoint.password,
        "autogenerate_session_id": False,
        "send_receive_timeout": 3600,
    }
    addresses = json.dumps({"clickhouse": clickhouse, "snowflake": snowflake})
    program = str(Path(__file__).with_name("with_reladiff.py"))
    return Contender(RELADIFF, lambda: _outcome([str(OTHER_PYTHON), program, addresses], settings))


def _outcome(command: list[str], settings: Settings) -> Outcome:
    before = _cpu_of_servers(settings)
    child = run_child(command, PROJECT)
    answer: dict[str, Any] = child.answer
    busy = answer["cpu_seconds"] + _cpu_of_servers(settings) - before
    figures = {"bytes": answer["bytes"], "memory_mib": round(child.peak_bytes / 2**20), "cpu_seconds": round(busy, 2)}
    if "explained" in answer:
        figures["explained_share"] = answer["explained"] / answer["asked"] if answer["asked"] else 1.0
        figures["locate_seconds"] = round(answer["locate_seconds"], 3)
    return Outcome(tuple(answer["keys"]), answer["seconds"], figures)
