"""Result files: benchmarks/results/<benchmark>-<size>.json, with the data, the machine, versions and the date.

What belongs here: writing and reading these files. What does not: measuring (harness.py), plots and the page (report.py).
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import Report

RESULTS = Path(__file__).resolve().parent / "results"
#: Named in every result, where installed.
ALWAYS = ("dagster", "dbt-core", "pyspark", "pyiceberg", "duckdb", "chdb", "fakesnow", "pyarrow")


def write(report: Report, load_before: Sequence[float], folder: Path = RESULTS) -> Path:
    """Write a report's file; a second run of the same size replaces the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.benchmark}-{report.size}.json"
    content = {
        "benchmark": report.benchmark,
        "title": report.title,
        "size": report.size.value,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "load_average": {"before": _rounded(load_before), "after": _rounded(os.getloadavg())},
        "versions": versions((*ALWAYS, *report.dependencies)),
        "data": dict(report.data),
        "rows": [{**asdict(row), "met": row.met} for row in report.rows],
        "timings": {
            case: {
                name: {
                    "seconds": [round(second, 4) for second in timing.seconds],
                    "median": round(timing.median, 4),
                    "spread": round(timing.spread, 3),
                    "figures": dict(timing.figures),
                }
                for name, timing in contenders.items()
            }
            for case, contenders in report.timings.items()
        },
        "notes": list(report.notes),
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def read_all(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """All results, by benchmark and size."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return sorted(results, key=lambda result: (result["benchmark"], result["size"]))


def machine() -> dict[str, Any]:
    """What the reader must know of the computer."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }


def versions(names: Iterable[str]) -> Mapping[str, str]:
    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(load: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in load]
