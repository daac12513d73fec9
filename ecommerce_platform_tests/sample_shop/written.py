"""A sample on disk together with its rows.

What belongs here: writing one and reading it back. What does not: fixtures (conftest.py) and decoding (reading.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecommerce_platform.sample_shop import DirtPlan, FaultPlan, SampleReport, generate_sample
from ecommerce_platform_tests.sample_shop.reading import Row, landing_rows, of_table


@dataclass(frozen=True)
class Sample:
    landing: Path
    realtime: Path
    clean_realtime: Path
    report: SampleReport
    rows: list[Row]

    def of(self, table: str) -> list[Row]:
        return of_table(self.rows, table)


def write_sample(folder: Path, dirt: bool | DirtPlan, faults: bool | FaultPlan = True) -> Sample:
    landing, realtime, clean = folder / "landing", folder / "realtime", folder / "clean"
    report = generate_sample(landing, realtime, clean_realtime_dir=clean, dirt=dirt, faults=faults)
    return Sample(landing, realtime, clean, report, landing_rows(landing))
