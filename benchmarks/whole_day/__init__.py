"""A day from landing to reconciled marts: the platform, also with a Spark that is warm, a plain script with the same engines, and
dbt on DuckDB.

What belongs here: the contenders, their order, the ratios. What does not: the script (plain_script.py) and the DuckDB project
(duckdb_project.py).

All begin with the same landing files, and end with the same four marts, row for row. The platform and the script have servers
that run and an empty warehouse; each starts new processes, and that counts. The warm Spark has done the same day before, and
what came of it was removed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from benchmarks.harness import Contender, Goal, Outcome, Report, Row, Size, Timing, race, ratio, run_child
from benchmarks.installation import FIRST_DAY, PROJECT, Installation
from benchmarks.whole_day import duckdb_project
from benchmarks.whole_day.marts import digest_of_warehouse
from ecommerce_platform.demo import steps as demo
from ecommerce_platform.stand_ins.server_state import STAND_INS, ServerFiles
from ecommerce_platform.stand_ins.servers import down, ensure_snowflake, stopped

ORDERS = {Size.QUICK: (10_000,), Size.FULL: (100_000, 1_000_000, 5_000_000)}
#: Customers grow with the orders, as in a shop: a day of a few customers with a thousand orders each is none that anybody has.
ORDERS_A_CUSTOMER = 10
ROUNDS = {10_000: 1, 100_000: 2, 1_000_000: 3, 5_000_000: 1}
#: Beside the plain script, and beside dbt on DuckDB.
GOALS: dict[int, tuple[Goal | None, Goal | None]] = {
    1_000_000: (Goal(1.25), Goal(4)),
    5_000_000: (None, Goal(3.5)),
}
OURS, WARM = "ecommerce-platform", "ecommerce-platform, Spark warm"
SCRIPT, DUCKDB = "plain script, same engines", "dbt on DuckDB"
_CALLED = {SCRIPT: "the plain script", DUCKDB: "dbt on DuckDB"}


def run(size: Size) -> Report:
    """Wall seconds of whole processes, and their ratios at each number of orders."""
    timings: dict[str, dict[str, Timing]] = {}
    events: dict[int, int] = {}
    for orders in ORDERS[size]:
        with _shop(orders) as (shop, events[orders]):
            race_timings = race([_ours(shop), _warm(shop), _script(shop), _duckdb(shop)], ROUNDS[orders])
        timings[f"{orders:,} orders"] = race_timings
        for name, timing in race_timings.items():
            print(f"{orders:,} orders, {name}: {timing.median:.1f} s", file=sys.stderr, flush=True)
    rows = []
    for orders in ORDERS[size]:
        race_timings = timings[f"{orders:,} orders"]
        goals = GOALS.get(orders, (None, None))
        for other, goal in zip((SCRIPT, DUCKDB), goals, strict=True):
            beside = f"{orders:,} orders: beside {_CALLED[other]}"
            rows.append(Row(beside, ratio(race_timings, OURS, other), "×", goal))
            rows.append(Row(f"{beside}, Spark warm", ratio(race_timings, WARM, other), "×"))
    data = {"orders": list(ORDERS[size]), "change events": list(events.values()), "days": 1}
    title = "One day from landing to reconciled marts"
    return Report("whole_day", title, size, data, tuple(rows), timings, notes=_NOTES)


_NOTES = (
    "The plain script has no Dagster, quarantine, audit, branch, ledger, checksum, dbt test or asset check; it runs the "
    "platform's dbt models and Spark analytics, since they are the work. The DuckDB project reads Parquet and writes one file; "
    "it has no Spark analytics and no reconciliation.",
)


@contextmanager
def _shop(orders: int) -> Iterator[tuple[Installation, int]]:
    """The landing files and the speed layer's versions, made once."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-day-"))
    shop = Installation(folder / "shop")
    try:
        yield shop, shop.write_files(1, orders, users=orders // ORDERS_A_CUSTOMER)
    finally:
        down(shop.settings.data_dir)
        shutil.rmtree(folder, ignore_errors=True)


def _day(own: Installation) -> Outcome:
    run = own.materialize(FIRST_DAY)
    return Outcome(digest_of_warehouse(own.settings), run.seconds, run.steps)


def _ours(shop: Installation) -> Contender:
    return _installed(OURS, shop, _day)


def _warm(shop: Installation) -> Contender:
    def warm(own: Installation) -> None:
        own.materialize(FIRST_DAY)
        _empty(own)
        _serve(own, shop)

    return _installed(WARM, shop, _day, warm)


def _empty(own: Installation) -> None:
    """Removes all that a day has left but the Spark that runs, and the landing files."""
    data_dir = own.settings.data_dir
    with ExitStack() as ended:
        for kind in STAND_INS:
            ended.enter_context(stopped(ServerFiles(data_dir, kind)))
        for path in data_dir.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name not in ("run", "spark"):
                shutil.rmtree(path)
            elif path.suffix == ".db":
                path.unlink()
        shutil.rmtree(own.folder / "home")


def _serve(own: Installation, shop: Installation) -> None:
    """Servers that run, with the speed layer loaded."""
    demo.load_speed_layer(own.settings, shop.settings.realtime_dir)
    ensure_snowflake(own.settings.data_dir)


def _script(shop: Installation) -> Contender:
    def work(own: Installation) -> Outcome:
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.whole_day.plain_script", FIRST_DAY.isoformat()]
        child = run_child(command, PROJECT, own.environment())
        # Before the marts are read, which is not part of the work.
        seconds = time.perf_counter() - started
        return Outcome(digest_of_warehouse(own.settings), seconds, child.answer)

    return _installed(SCRIPT, shop, work, variables={"ECOMMERCE_SPARK__ENGINE": "process"})


def _installed(
    name: str,
    shop: Installation,
    work: Callable[[Installation], Outcome],
    before: Callable[[Installation], None] = lambda own: None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Contender:
    """A contender with an installation of its own each round: same files, servers running, nothing loaded but ClickHouse. What
    `before` does to it is not measured.
    """
    folder = shop.folder.with_name(f"own-{name[:4]}")

    def prepare() -> None:
        own = Installation(folder, variables)
        shutil.rmtree(folder, ignore_errors=True)
        own.settings.data_dir.mkdir(parents=True)
        Path(own.settings.landing_uri).symlink_to(shop.settings.landing_uri)
        own.parse_models()
        _serve(own, shop)
        before(own)

    def measured() -> Outcome:
        own = Installation(folder, variables)
        try:
            return work(own)
        finally:
            down(own.settings.data_dir)
            shutil.rmtree(folder, ignore_errors=True)

    return Contender(name, measured, prepare)


def _duckdb(shop: Installation) -> Contender:
    folder = shop.folder.with_name("duckdb")

    def work() -> Outcome:
        seconds = duckdb_project.build(folder)
        return Outcome(duckdb_project.digest(folder), seconds)

    return Contender(DUCKDB, work, lambda: duckdb_project.write(folder, Path(shop.settings.landing_uri), FIRST_DAY))
