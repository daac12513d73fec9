"""What became of the mutants: counted, and written down where MUTATION_REPORT names a file. `make mutation` does."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Score:
    """Of one model or module: noticed by a test, failed by itself (a division by zero, say), computing the same, survived."""

    name: str
    killed: int = 0
    failed: list[str] = field(default_factory=list)
    same: int = 0
    survivors: list[str] = field(default_factory=list)


def written(score: Score) -> None:
    if (path := os.environ.get("MUTATION_REPORT")) is not None:
        with Path(path).open("a", encoding="utf-8") as report:
            report.write(json.dumps(asdict(score)) + "\n")
