"""`forget` killed at moments of all its steps, and run again: the person is in nothing, and all else is as without a kill.

    python -m ecommerce_platform_tests.erasure.kills --work /some/folder --report report.json

What belongs here: the choice of moments, the course of a trial, the report. What does not: the shop and what is compared
(killed_shop.py), processes and kill points (the room faults).

One installation is made and kept. A `forget` without a kill passes the moments to choose from, and leaves what all others are
compared with. A trial puts the kept folder back, kills the command, runs it to its end, looks, and runs the next day.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecommerce_platform_tests.erasure.killed_shop import ENVIRONMENT, KilledShop
from ecommerce_platform_tests.faults.kill_points import (
    AFTER,
    BEFORE,
    Kill,
    Passages,
    Point,
    fixed,
    install,
    platform_points,
)
from ecommerce_platform_tests.faults.processes import Child, run
from ecommerce_platform_tests.faults.soak import tell, warm_up

PATIENCE = 1200.0
#: The places of an erasure in their order, by what its moments are called, and how many kills each gets.
PLACES = {
    "list": (r"entry", 1),
    "landing": (r"landing file|step landing", 3),
    "quarantine": (r"step quarantine|remove .*quarantine", 2),
    "lake": (r"step ecommerce|iceberg commit|remove lake", 3),
    "analytics": (r"step analytics", 1),
    "raw": (r'sql update raw\."?(users|orders)|sql update raw\.load_ledger|sql commit', 2),
    "superseded": (r'sql \w+ \w*\s?raw\."?superseded_(users|orders)', 1),
    "models": (r"^dbt ", 2),
    "applied": (r"step models (built|applied)", 1),
    "speed layer": (r"clickhouse", 2),
    "stage": (r"sql remove|sql rm", 1),
    "scratch": (r"scratch", 1),
    "stand-in": (r"database", 1),
}  # fmt: skip


class Ordered(Passages):
    """Passages that remember their order."""

    def __init__(self, kill: Kill | None = None) -> None:
        super().__init__(kill)
        self.order: list[tuple[str, int]] = []

    def _enter(self, point: str) -> int:
        number = super()._enter(point)
        self.order.append((point, number))
        return number


def erasure_points() -> list[Point]:
    """The erasure's own steps."""
    from clickhouse_connect.driver.httpclient import HttpClient

    from ecommerce_platform.erasure import erase, lake, landing_files, leftovers
    from ecommerce_platform.stand_ins import compaction

    return [
        (erase, "write_entry", fixed("entry")),
        (landing_files, "_put_in_place", fixed("landing file")),
        (
            lake,
            "remove_file",
            lambda table, _: f"remove {'quarantine' if 'quarantine' in table.name() else 'lake'} file",
        ),
        (HttpClient, "command", lambda _, sql, *__, **___: f"clickhouse {str(sql).strip().split(' ', 1)[0].lower()}"),
        (leftovers, "remove_scratch", fixed("scratch")),
        (compaction, "_copy", fixed("database copied")),
    ]


def install_points(passages: Passages) -> None:
    """The kill points of the platform, and those of an erasure's own steps."""
    from ecommerce_platform.erasure import erase

    install(passages, [*platform_points(), *erasure_points()])
    erase.Request = partial(  # type: ignore[misc,assignment]
        erase.Request, reached=lambda step: passages.reached(f"step {step}")
    )


def chosen(order: Sequence[tuple[str, int]]) -> list[Kill]:
    """Moments of each place, apart from each other, the first of every place first.

    Raises AssertionError for a place that the erasure did not come to.
    """
    kills: list[tuple[int, Kill]] = []
    for place, (pattern, count) in PLACES.items():
        moments = [(point, number) for point, number in order if re.search(pattern, point)]
        assert moments, f"the erasure passes no moment of {place}; it passes {sorted({point for point, _ in order})}"
        for index in range(count):
            point, number = moments[(2 * index + 1) * len(moments) // (2 * count)]
            # A step is a moment, which has no two sides.
            side = AFTER if point.startswith("step") else (AFTER, BEFORE)[len(kills) % 2]
            kills.append((index, Kill(point, side, number)))
    return [kill for _, kill in sorted(kills, key=lambda item: item[0])]


def forget(shop: KilledShop, kill: Kill | None, again: bool = False) -> list[tuple[str, int]]:
    """The command, in a child; `again` is the try after a kill."""
    from ecommerce_platform.cli import app

    if not again:
        shop.stage()
    passages = Ordered(kill)
    install_points(passages)
    try:
        app(["forget", "user", str(shop.key), "--reason", "asked", "--yes"])
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(f"forget ended with {ended.code}") from ended
    return passages.order


class Trials:
    """The installation, what it is compared with, and what was wrong."""

    def __init__(self, work: Path) -> None:
        self.work, self.log = work, work / "children.log"
        self.shop = KilledShop(work)

    def child(self, action: Callable[[], Any]) -> Any:
        return run(action, self.log, PATIENCE)

    def reference(self) -> list[Kill]:
        """Makes the installation, and forgets without a kill; read from the folder when an earlier call has done it."""
        kept = self.work / "moments.json"
        if not kept.exists():
            started = time.monotonic()
            if not self.shop.kept.exists():
                self.child(self.shop.make)
                self.shop.keep()
                tell(f"the installation is made in {time.monotonic() - started:.0f} s")
            self.shop.put_back()
            started = time.monotonic()
            order = self.child(partial(forget, self.shop, None))
            tell(f"forgotten without a kill in {time.monotonic() - started:.0f} s, {len(order)} moments")
            self.shop.down()
            problems = self.child(partial(self.shop.look, first=True))
            assert problems == ["none"], problems
            tell(f"the next day after it: {time.monotonic() - started:.0f} s")
            kept.write_text(json.dumps(order))
        return chosen([(str(point), int(number)) for point, number in json.loads(kept.read_text())])

    def killed(self, kill: Kill, next_day: bool) -> dict[str, Any]:
        """One trial, to the next day or, which takes half as long, to the end of the erasure."""
        started = time.monotonic()
        self.shop.put_back()
        child = Child(partial(forget, self.shop, kill), self.log)
        ended = child.wait(PATIENCE)
        child.kill_descendants()
        problems = [] if ended is not None and ended.killed else ["it was not killed"]
        again = time.monotonic()
        try:
            self.child(partial(forget, self.shop, None, again=True))
            took = time.monotonic() - again
            self.shop.down()  # what only a server's memory has does not count
            problems += [line for line in self.child(partial(self.shop.look, next_day=next_day)) if line != "none"]
        except RuntimeError as error:
            took = time.monotonic() - again
            problems.append(str(error))
        seconds = round(time.monotonic() - started)
        return {"kill": str(kill), "seconds": seconds, "again": round(took), "next day": next_day, "problems": problems}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder: an empty one, or that of an earlier call")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="the first kill's number")
    parser.add_argument("--count", type=int, default=sum(count for _, count in PLACES.values()))
    parser.add_argument("--next-day-every", type=int, default=1, help="run the next day after every n-th kill")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ |= ENVIRONMENT
    warm_up(work)
    importlib.import_module("ecommerce_platform.cli")
    trials = Trials(work)
    results = []
    try:
        kills = trials.reference()
        for number, kill in enumerate(kills[given.first : given.first + given.count], given.first):
            results.append(trials.killed(kill, number % given.next_day_every == 0))
            tell(json.dumps(results[-1]))
            given.report.write_text(json.dumps(results, indent=1))
    finally:
        trials.shop.down()
    sys.exit(1 if any(item["problems"] for item in results) else 0)


if __name__ == "__main__":
    main()
