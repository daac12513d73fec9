"""Kills the platform many times, runs the same work again after each, and looks for a row that is lost, doubled or wrong.

    python -m ecommerce_platform_tests.faults.soak --kills 200 --work /some/empty/folder

What belongs here: the choice of trials, their course, the report. What does not: what is run (rooms.py).

Each kind of work is rehearsed once: that shows which points it passes and how often. Then every point is killed before and after
it, at a random one of its passages, in random order and again from the start; every fourth kill is at a random time instead.
Up to eight kills follow each other before the work is left to come to its end, and then its results are compared.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ecommerce_platform.settings import load_settings
from ecommerce_platform.stand_ins.servers import down
from ecommerce_platform.transformation.project.manifest import DbtProject, prepare_manifest
from ecommerce_platform_tests.faults.kill_points import AFTER, BEFORE, Kill, Passages, install, platform_points
from ecommerce_platform_tests.faults.processes import Child, run
from ecommerce_platform_tests.faults.rooms import KINDS, Kind, copied_dbt_project
from ecommerce_platform_tests.faults.shops import write_shops

#: Of a hundred kills, how many of each kind. What costs a JVM gets fewer.
SHARES = {"loading": 50, "transforming": 22, "materializing": 16, "ingestion": 10, "everything": 2}
#: Up to so many kills follow each other before the work is left to come to its end.
KILLS_IN_A_ROW = 8
PATIENCE = 600.0
WARM = (
    *("dbt.cli.main", "dbt.parser.manifest", "google.protobuf.json_format", "pyspark.sql", "snowflake.connector"),
    *("dagster_snowflake", "ecommerce_platform.definitions"),
)


@dataclass
class Report:
    """What was tried and what came of it."""

    seed: int
    path: Path | None = None
    until: float = math.inf
    kills: Counter[str] = field(default_factory=Counter)
    at_points: Counter[str] = field(default_factory=Counter)
    at_random_times: int = 0
    not_reached: int = 0
    wrong: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def as_json(self) -> str:
        content = {
            "seed": self.seed,
            "kills": sum(self.kills.values()),
            "by_kind": dict(self.kills),
            "at_random_times": self.at_random_times,
            "boundaries": len(self.at_points),
            "kills_by_boundary": dict(sorted(self.at_points.items())),
            "runs_that_ended_before_the_kill": self.not_reached,
            "wrong": self.wrong,
            "seconds": round(time.monotonic() - self.started),
        }
        return json.dumps(content, indent=1)

    def write(self) -> None:
        """Where it is asked for; after every row of kills, so that a soak that is interrupted has reported its findings."""
        if self.path:
            self.path.write_text(self.as_json(), encoding="utf-8")


class Soak:
    """The trials of one kind, over one installation that goes from shop to shop."""

    def __init__(self, kind: Kind, report: Report, seed: int) -> None:
        self.kind, self.report = kind, report
        self.random = random.Random(f"{seed}-{kind.name}")
        self.shop = "a"
        self.runs = 0
        self.log = kind.work / f"{kind.name}.log"

    def kill_times(self, count: int) -> None:
        self.kind.warm()
        run(self.kind.prepare, self.log, PATIENCE)
        self._finish()
        self._turn()
        started = time.monotonic()
        seen = self._finish()
        if not seen:  # reported as wrong; without points there is nothing to kill
            return
        duration = time.monotonic() - started
        tell(f"{self.kind.name}: passes {sum(seen.values())} points of {len(seen)} kinds, {duration:.0f} s a run")
        trials = self._trials(seen, duration)
        done = attempts = 0
        while done < count and attempts < 3 * count and time.monotonic() < self.report.until:
            row = [next(trials) for _ in range(min(self.random.randint(1, KILLS_IN_A_ROW), count - done))]
            attempts += len(row)
            done += self._in_a_row(row)
            tell(f"{self.kind.name}: {done} of {count} kills, {len(self.report.wrong)} problems")
            self.report.write()

    def _trials(self, seen: Mapping[str, int], duration: float) -> Iterator[Kill | float]:
        number = 0
        while True:
            boundaries = [(point, side) for point in sorted(seen) for side in (BEFORE, AFTER)]
            self.random.shuffle(boundaries)
            for point, side in boundaries:
                number += 1
                if number % 4 == 0:
                    yield self.random.uniform(0, duration)
                yield Kill(point, side, self.random.randint(1, seen[point]), alone=self.random.random() < 0.25)

    def _in_a_row(self, kills: Sequence[Kill | float]) -> int:
        """The same work killed at each of these moments, then done to its end; how often it was really killed."""
        self._turn()
        survivors = [self._killed(kill) for kill in kills]
        self._finish(f"after {', '.join(map(str, kills))}")
        done = 0
        for child, kill in zip(survivors, kills, strict=True):
            if child is not None:
                child.kill_descendants()
                self._count(kill)
                done += 1
        self.report.not_reached += len(kills) - done
        return done

    def _killed(self, kill: Kill | float) -> Child | None:
        """The child that was killed, whose JVM may still live; None when it ended before."""
        at_point = kill if isinstance(kill, Kill) else None
        child = Child(partial(self._work, self.shop, at_point), self.log)
        ended = child.wait(PATIENCE if isinstance(kill, Kill) else kill)
        if ended is None:
            child.kill()
            ended = child.wait(60)
        assert ended is not None, f"{self.kind.name}: a killed process does not end: {kill}"
        if ended.error:
            self.report.wrong.append(f"{self.kind.name} failed by itself before {kill}: {ended.error}")
        return child if ended.killed else None

    def _count(self, kill: Kill | float) -> None:
        self.report.kills[self.kind.name] += 1
        if isinstance(kill, Kill):
            self.report.at_points[f"{self.kind.name}: {kill.side} {kill.point}"] += 1
        else:
            self.report.at_random_times += 1

    def _finish(self, when: str = "before any kill") -> Mapping[str, int]:
        """Runs the work to its end and looks at the result; returns the points that it passed."""
        try:
            seen, problems = run(partial(self._work_and_look, self.shop), self.log, PATIENCE)
        except RuntimeError as error:
            seen, problems = {}, [str(error)]
        for problem in problems:
            self.report.wrong.append(f"{self.kind.name}, shop {self.shop}, {when}: {problem}")
            tell(self.report.wrong[-1])
        return seen

    def _turn(self) -> None:
        self.shop = "b" if self.shop == "a" else "a"
        self.runs += 1

    def _work(self, shop: str, kill: Kill | None) -> Counter[str]:
        passages = Passages(kill)
        install(passages, platform_points())
        self.kind.run(shop, passages, f"run{self.runs}")
        return passages.seen

    def _work_and_look(self, shop: str) -> tuple[Counter[str], list[str]]:
        seen = self._work(shop, None)
        return Counter(seen), self.kind.problems(shop)


def tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)


def warm_up(work: Path) -> None:
    """Imports what the children need, once for all of them.

    The dbt project is parsed by a child: dbt's parser has threads, and a fork after it would wait for them forever.
    """
    os.environ |= {"DAGSTER_DISABLE_TELEMETRY": "yes", "DO_NOT_TRACK": "1"}
    dbt = {"project_dir": str(copied_dbt_project(work)), "target_path": str(work / "dbt_target")}
    os.environ |= {f"ECOMMERCE_DBT__{name.upper()}": value for name, value in dbt.items()}
    os.environ["ECOMMERCE_DATA_DIR"] = str(work / "data")
    run(lambda: prepare_manifest(DbtProject.of(load_settings())), work / "parse.log", PATIENCE)
    for module in WARM:
        importlib.import_module(module)


def soak(kills: int, work: Path, kinds: list[str], report: Report) -> None:
    """At least `kills` kills, shared out over `kinds`."""
    work.mkdir(parents=True, exist_ok=True)
    warm_up(work)
    shops = write_shops(work, report.seed)
    total = sum(SHARES[name] for name in kinds)
    for name in kinds:
        kind = KINDS[name](work, shops, name)
        kind.data.mkdir(parents=True, exist_ok=True)
        try:
            Soak(kind, report, report.seed).kill_times(-(-kills * SHARES[name] // total))
        finally:
            down(kind.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(SHARES))
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no kills after so long")
    parser.add_argument("--report", type=Path)
    chosen = parser.parse_args()
    report = Report(chosen.seed, chosen.report, time.monotonic() + 60 * chosen.minutes)
    soak(chosen.kills, chosen.work.resolve(), chosen.kinds, report)
    report.write()
    tell(report.as_json())
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
