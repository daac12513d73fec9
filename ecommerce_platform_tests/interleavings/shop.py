"""A shop whose files come and go while runs, rebuilds and reconciliations start, stop, sleep and die in any order.

What belongs here: the moves that are possible, and what must be true after each and in the end. What does not: how a build goes
(builds.py), and what lands and is published (landing.py). The warehouse's ledger and lease, the models' freeze and the build
state are the platform's own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.reconciliation.layers.settled import batch_state
from ecommerce_platform.transformation.builds.applied import read_build_state
from ecommerce_platform.transformation.builds.rebuild import Range
from ecommerce_platform.warehouse.schema.lease import MODELS, lease_state
from ecommerce_platform.warehouse.sql.connection import WarehouseError, execute, fetch_all
from ecommerce_platform_tests.interleavings.builds import Build, Compiled, build, rows_of
from ecommerce_platform_tests.interleavings.landing import DAYS, Landing, Rows, truth
from ecommerce_platform_tests.interleavings.mortal import Killed, Mortal, Session
from ecommerce_platform_tests.transformation.raw_events import Event, load_table_day

OTHERS = tuple(table for table in source_tables() if table != "orders")
MOST_AT_ONCE = 2
_EMPTIED = (
    "RAW.ORDERS",
    "RAW.SUPERSEDED_ORDERS",
    "RAW.LOAD_LEDGER",
    "STAGING.APPLIED_DAYS",
    "STAGING.APPLIED_DEFINITION",
)
_DROPPED = (
    "BASE_LANDING_DAYS",
    "BASE_SUPERSEDED_BATCHES",
    "BASE_CHANGED_KEYS",
    "BASE_MOVED_TEXTS",
    "BASE_ORDERS",
    "ORDERS_ENHANCED",
)

Move = tuple[str, Callable[[], None]]


@dataclass
class Process:
    """A run, a rebuild or dbt by hand at work. `days` are what it was launched for; `here`: on the machine of the others."""

    number: int
    what: str
    days: tuple[date, ...]
    here: bool
    connection: Mortal
    course: Generator[None, None, None]

    @property
    def identity(self) -> str:
        """What RAW.LEASES keeps of it."""
        return f"{'boot' if self.here else f'elsewhere-{self.number}'} pid:[1] {self.number} 1"


@dataclass(kw_only=True)
class Shop(Landing):
    """One sequence's world. `random` decides what files hold; the sequence itself comes from outside, move by move."""

    stand_in: Any
    compiled: Compiled
    batches: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    current: Process | None = None
    started: int = 0
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Session(self.stand_in)
        read_build_state(self.connection)
        for table in _EMPTIED:
            execute(self.connection, f"delete from {table}")
        for table in _DROPPED:
            execute(self.connection, f"drop table if exists STAGING.{table}")
        execute(self.connection, "update RAW.LEASES set owner = null, token = null, process = null, expires_at = null")
        for day in DAYS[:2]:
            self.land(day)

    # Moves

    def moves(self) -> list[Move]:
        """What can happen now, by name."""
        return [
            *((f"late file {day}", lambda day=day: self.land(day)) for day in DAYS),
            *((f"file removed {day}", lambda day=day: self.remove(day)) for day in self.landing),
            ("tick", self._tick),
            *((f"withdraw {day}", lambda day=day: self.withdraw(day)) for day in sorted(self.refused)),
            *self._starts(),
            *(
                (f"{name} {process.what} {process.number}", lambda act=act, process=process: act(process))
                for process in list(self.processes)
                for name, act in (("go on", self.go_on), ("go on", self.go_on), ("kill", self._kill))
            ),
            *((f"time passes for {p.number}", self.expire) for p in self.processes if p.course.gi_frame is not None),
            *(("reconcile", self.reconcile),) * 3,
        ]

    def _starts(self) -> Iterator[Move]:
        if len(self.processes) >= MOST_AT_ONCE:
            return
        if self.queued:
            yield "run", lambda: self._begin("run", self.queued.pop(0))
        yield "second run", lambda: self._begin("second run", DAYS)
        yield "rebuild everything", lambda: self._begin("rebuild everything", ())
        yield "rebuild days", lambda: self._begin("rebuild days", ())
        yield "dbt by hand", lambda: self._begin("dbt by hand", ())

    def move(self, number: int) -> None:
        """The move that this number chooses among those that are possible."""
        moves = self.moves()
        name, act = moves[number % len(moves)]
        self.history.append(name)
        act()

    # Processes

    def _begin(self, what: str, days: tuple[date, ...]) -> None:
        self.start(what, days)

    def start(self, what: str, days: tuple[date, ...]) -> Process:
        """A process that has done nothing yet."""
        self.started += 1
        connection = Mortal(Session(self.stand_in))
        course = self._run(connection, what, days)
        process = Process(self.started, what, days, self.random.random() < 0.5, connection, course)
        self.processes.append(process)
        return process

    def _run(self, connection: Mortal, what: str, days: tuple[date, ...]) -> Generator[None, None, None]:
        for day in days:
            if day in self.landing or day in self.published:
                self._publish(day)
                yield
                yield from self._load(connection, day)
        if what == "rebuild everything":
            asked = Build(what, everything=True)
        elif what == "rebuild days":
            asked = Build(what, days=Range(DAYS[0], DAYS[self.random.randrange(len(DAYS))]))
        else:
            asked = Build(what, marks=what != "dbt by hand")
        yield from build(connection, self.compiled, asked)

    def _load(self, connection: Mortal, day: date) -> Generator[None, None, None]:
        """The day's tables, each in a transaction of its own; all but orders have no events."""
        for table in OTHERS:
            execute(  # type: ignore[arg-type]
                connection,
                "insert into RAW.LOAD_LEDGER (table_name, date, batch_id, row_count) select %s, %s, 'empty', 0 "
                "where not exists (select 1 from RAW.LOAD_LEDGER where table_name = %s and date = %s)",
                (table, day, table, day),
            )
        yield
        if day in self.published:
            events = self.published[day]
            load_table_day(connection, "orders", str(day), events)  # type: ignore[arg-type]
            held = "select batch_id from RAW.LOAD_LEDGER where table_name = 'orders' and date = %s"
            self.batches[fetch_all(self.connection, held, (day,))[0][0]] = events
            yield

    def run_to_the_end(self, days: tuple[date, ...]) -> None:
        """A run of these days that nothing stops."""
        process = self.start("run", days)
        while process in self.processes:
            self.go_on(process)

    def go_on_until(self, process: Process, model: str, *, before: bool) -> None:
        """To right before the model's first statement, or right after its last one."""
        while process.connection.last_question != model:
            self.go_on(process)
        while not before and process.connection.last_question == model:
            self.go_on(process)

    def go_on(self, process: Process) -> None:
        """The process's next step. One that ends with an error of the platform is tried again later."""
        self.current = process
        try:
            next(process.course)
        except StopIteration:
            self.processes.remove(process)
        except WarehouseError as error:
            self.history.append(f"{process.number} ended: {type(error).__name__}")
            self._ended(process)
        except Killed:
            self.dead.add(process.identity)
            self._ended(process)

    def _kill(self, process: Process) -> None:
        """SIGKILL at one of its next statements, or between two steps."""
        process.connection.statements_left = self.random.randint(1, 6)
        process.connection.dies_after_it = self.random.random() < 0.5
        while process in self.processes:
            self.go_on(process)

    def _ended(self, process: Process) -> None:
        self.processes.remove(process)
        if process.days:
            self.queued.append(process.days)

    def expire(self) -> None:
        """The lease's time is over; its holder is dead, or sleeps and may go on later."""
        execute(
            self.connection,
            "update RAW.LEASES set expires_at = dateadd('second', -1, sysdate()) where token is not null",
        )

    # What must be true

    def reconcile(self) -> None:
        """A reconciliation reads the orders only in a state that holds still: they are those of the applied loads."""
        if not fetch_all(
            self.connection, "select 1 from information_schema.tables where table_name = 'ORDERS_ENHANCED'"
        ):
            return
        batch: Any = SimpleNamespace(connection=self.connection, rows=lambda sql: fetch_all(self.connection, sql))
        state = batch_state(batch)
        if state.being_built or not state.applied:
            return
        applied = [self.batches[batch_id] for table, _, batch_id in state.applied if table == "orders"]
        self._require(rows_of(self.connection, "STAGING.ORDERS_ENHANCED"), truth(applied), "orders of a settled state")

    def finish(self) -> None:
        """Everything that is at work ends, refused days are given up, and each request gets its run; then all must be right."""
        while self.processes:
            self.go_on(self.processes[0])
        self.expire()
        for _ in range(200):
            self._tick()
            for day in sorted(self.refused):
                self.withdraw(day)
            # When nothing is asked for any more, the next daily run still comes.
            days = self.queued.pop(0) if self.queued else ()
            self.start("run", days)
            while self.processes:
                self.go_on(self.processes[0])
            if not days:
                break
        self._check_the_end()

    def _check_the_end(self) -> None:
        assert not self.queued, f"runs never end: {self.queued}; {self.history}"
        loaded = {(table, day) for table, day, _ in read_build_state(self.connection).loaded}
        for day in self.landing:
            assert self.published.get(day) == self.landed(day), f"{day} was never published; {self.history}"
            assert ("orders", day) in loaded, f"{day} was never loaded; {self.history}"
        memory = read_build_state(self.connection)
        assert memory.applied == memory.loaded, f"{sorted(memory.loaded ^ memory.applied)}; {self.history}"
        assert fetch_all(self.connection, "select count(*) from RAW.SUPERSEDED_ORDERS") == [(0,)], self.history
        assert lease_state(self.connection, MODELS).is_free, self.history
        expected = truth(list(self.published.values()))
        self._require(rows_of(self.connection, "STAGING.ORDERS_ENHANCED"), expected, "orders in the end")
        self.start("rebuild everything", ())
        while self.processes:
            self.go_on(self.processes[0])
        self._require(rows_of(self.connection, "STAGING.ORDERS_ENHANCED"), expected, "orders after a full refresh")

    def _require(self, rows: Rows, expected: Rows, what: str) -> None:
        wrong = {
            key: (rows.get(key), expected.get(key)) for key in {*rows, *expected} if rows.get(key) != expected.get(key)
        }
        assert not wrong, f"{what}: {wrong}; {self.history}"
