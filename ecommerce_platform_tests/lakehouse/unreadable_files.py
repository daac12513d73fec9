"""Ingests a day with two damaged files and a good day, in a process of its own, so that all its output can be read.

Run as `python -m … FOLDER`; the last line is the refusal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark.session import build_session, stop_session
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, order


def damage(path: Path) -> None:
    """Overwrites the data under a whole footer."""
    content = bytearray(path.read_bytes())
    content[4:60] = b"\xff" * 56
    path.write_bytes(bytes(content))


def main(folder: str) -> None:
    settings = load_settings(data_dir=Path(folder))
    Path(settings.landing_uri).mkdir(parents=True)
    lake = SmallLake(settings, lambda: build_session(settings))
    damage(lake.land(FIRST, order(1, 1), file="part-0.parquet"))
    damage(lake.land(FIRST, order(2, 2), file="part-1.parquet"))
    lake.land(SECOND, order(3, 3))
    result = lake.ingest(FIRST, SECOND)
    stop_session()
    print(f"published {sorted(map(str, result.published))}; {result.refused[FIRST].reason}")


if __name__ == "__main__":
    main(*sys.argv[1:])
