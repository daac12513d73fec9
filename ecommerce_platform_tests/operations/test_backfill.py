"""The backfill planner: what the ledgers say of a day, what a plan makes of it, and what Dagster is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus

from ecommerce_platform.contracts import source_tables
from ecommerce_platform.execution.partitions import daily_partitions
from ecommerce_platform.lakehouse.days.ledger import DayRecord, RefusedDay, TableLedger
from ecommerce_platform.landing.changes import DayRange
from ecommerce_platform.landing.files import LandingFile
from ecommerce_platform.operations.backfill import launch
from ecommerce_platform.operations.backfill.days import DayState, Stage, StageRecords, states
from ecommerce_platform.operations.backfill.launch import BackfillError, Backfills
from ecommerce_platform.operations.backfill.plan import Busy, make_plan
from ecommerce_platform.operations.backfill.rates import Rate, fit
from ecommerce_platform.settings import Settings

DAY = date(2026, 1, 1)
BOUNDS = (DAY, date(2026, 12, 31))


def a_file(size: int = 100) -> LandingFile:
    return LandingFile(f"date={DAY}/part-0.parquet", "", size, "v")


def a_record(table: str, content: str = "c1") -> DayRecord:
    return DayRecord(table, DAY, 1, content, 10, 10, 0, 0, 1, 100, "run")


def records(*, loaded: bool = True, applied: bool = True, size: int = 100, refused: str = "") -> StageRecords:
    """A day of all four tables that has come into the marts, but for what the arguments say."""
    refusals = {DAY: RefusedDay("orders", DAY, refused, "c2", "", "run")} if refused else {}
    batches = {(table, DAY): f"{table}-{DAY}-c1" for table in source_tables()}
    return StageRecords(
        landed={table: {DAY: (a_file(size),)} for table in source_tables()},
        lake={
            table: TableLedger({DAY: a_record(table)}, refusals if table == "orders" else {})
            for table in source_tables()
        },
        loaded=batches if loaded else {},
        applied=batches if applied else {},
    )


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (StageRecords(), Stage.EMPTY),
        (StageRecords(landed={"orders": {DAY: (a_file(),)}}), Stage.NEW),
        (records(), Stage.DONE),
        (records(applied=False), Stage.LOADED),
        (records(loaded=False), Stage.PUBLISHED),
        (records(size=101), Stage.CHANGED),
        (records(refused="2 % of the rows"), Stage.REFUSED),
    ],
)
def test_the_records_say_how_far_a_day_has_come(state: StageRecords, stage: Stage) -> None:
    assert states(state, [DAY])[0].stage is stage


def test_a_day_whose_files_are_gone_is_named_before_it_is_refused_unless_landing_need_not_keep_it() -> None:
    gone = replace(records(), landed={})
    (state,) = states(gone, [DAY])
    assert (state.stage, set(state.absent.values())) == (Stage.CHANGED, {10})
    (plan_problem, *_) = make_plan([state], [], {}, [], (DAY, DAY), 30).problems
    assert "its files are gone, and 10 events of it are published: a run refuses the day" in plan_problem.text
    later = DAY + timedelta(days=9)
    lake = {
        table: replace(
            table_ledger, published={**table_ledger.published, later: replace(table_ledger.published[DAY], day=later)}
        )
        for table, table_ledger in gone.lake.items()
    }
    (kept,) = states(replace(gone, lake=lake, retention_days=9), [DAY])
    assert (kept.stage, len(kept.absent)) == (Stage.CHANGED, 4)
    (retained,) = states(replace(gone, lake=lake, retention_days=8), [DAY])
    assert (retained.stage, retained.absent) == (Stage.DONE, {})


def test_a_day_loaded_with_older_content_is_not_done() -> None:
    current = records()
    older = {key: batch.replace("c1", "c0") for key, batch in current.loaded.items()}
    assert states(StageRecords(current.landed, current.lake, older, older), [DAY])[0].stage is Stage.PUBLISHED


def a_state(day: date, stage: Stage = Stage.NEW, **more: object) -> DayState:
    return DayState(day, stage, 4, 400, **{"missing_tables": (), "refused": {}, **more})  # type: ignore[arg-type]


def test_a_range_is_one_run_and_a_long_one_is_cut() -> None:
    days = [a_state(day) for day in DayRange(DAY, DAY + timedelta(days=99)).days]
    plan = make_plan(days, ["a"], {"s": Rate(10, 1, 3)}, [], BOUNDS, 90)
    assert [(run.days, run.seconds) for run in plan.runs] == [(90, 100.0), (10, 20.0)]
    assert plan.seconds == 120.0
    assert plan.launchable


def test_what_is_wrong_is_reported_before_the_launch() -> None:
    days = [
        a_state(DAY - timedelta(days=1)),
        a_state(DAY, Stage.REFUSED, refused={"orders": "2 % of the rows are in quarantine"}),
        a_state(DAY + timedelta(days=1), missing_tables=("users",)),
        a_state(DAY + timedelta(days=2), Stage.EMPTY),
    ]
    busy = [Busy(DAY, DAY, "run 1234 (daily_batch, started)"), Busy(date(2025, 1, 1), date(2025, 1, 2), "another")]
    plan = make_plan(days, ["a"], {}, busy, BOUNDS, 90)
    text = "\n".join(plan.lines())
    assert not plan.launchable
    assert "WRONG 2025-12-31: no partition" in text
    assert "WRONG 2026-01-01 to 2026-01-01: run 1234 (daily_batch, started) is working on them" in text
    assert "NOTE  2026-01-01 orders is refused" in text
    assert "NOTE  2026-01-02: no files of users" in text
    assert "NOTE  2026-01-03: no files at all" in text
    assert "another" not in text
    assert "no run of these steps has been measured" in text


@pytest.mark.parametrize(
    ("points", "days", "seconds"),
    [
        ([(1, 12.0), (5, 20.0), (10, 30.0)], 20, 50.0),
        ([(4, 8.0)], 8, 16.0),
        ([(1, 30.0), (10, 20.0)], 5, 25.0),
        ([], 5, 0.0),
    ],
)
def test_a_rate_has_a_fixed_part_and_a_part_a_day(points: list[tuple[int, float]], days: int, seconds: float) -> None:
    assert fit(points).seconds(days) == pytest.approx(seconds)


class Shop:
    """A code location of two assets whose second can be made to fail, and its backfills."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        partitions = daily_partitions(settings.start_date)
        single = dg.BackfillPolicy.single_run()
        self.fails = False

        @dg.asset(key=["iceberg", "orders"], partitions_def=partitions, backfill_policy=single)
        def orders() -> None: ...

        @dg.asset(key=["marts", "daily"], deps=[orders], partitions_def=partitions, backfill_policy=single)
        def daily() -> None:
            if self.fails:
                raise ValueError("on purpose")

        self.definitions = dg.Definitions(assets=[orders, daily])
        self.instance = instance
        self.backfills = Backfills(settings, instance, self.definitions, lambda: 1_700_000_000.0)

    def run_of(
        self, backfill_id: str, first: str, last: str, status: dg.DagsterRunStatus | None = None
    ) -> dg.DagsterRun:
        """The run that the daemon would launch for the days."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        tags = {
            "dagster/backfill": backfill_id,
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
        if status:
            return self.instance.create_run_for_job(job, tags=tags, status=status)
        result = job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)
        return result.dagster_run

    def end(self, backfill_id: str) -> None:
        backfill = self.backfills.get(backfill_id)
        self.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_FAILED))


@pytest.fixture
def shop(local_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(launch, "read_stage_records", lambda settings, first, last: StageRecords())
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(local_settings, instance)


def test_a_launched_backfill_is_dagsters_own_and_knows_its_days_and_assets(shop: Shop) -> None:
    keys = shop.backfills.selected("*")
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=5)]
    (backfill_id,) = shop.backfills.launch(dict.fromkeys(days, keys), "January")
    backfill = shop.instance.get_backfill(backfill_id)
    assert backfill is not None
    assert backfill.title == "January"
    assert set(backfill.asset_selection or ()) == set(keys)
    assert shop.backfills.days_of(backfill) == tuple(days)


def test_a_backfill_is_followed_to_its_end(shop: Shop) -> None:
    keys = shop.backfills.selected("*")
    days = DayRange(date(2026, 3, 1), date(2026, 3, 3)).days
    (backfill_id,) = shop.backfills.launch(dict.fromkeys(days, keys), "March")
    reported: list[tuple[str, int, int | None]] = []

    def somebody_cancels(_: float) -> None:
        backfill = shop.backfills.get(backfill_id)
        shop.instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELED))

    status = shop.backfills.follow(backfill_id, lambda *report: reported.append(report), somebody_cancels)
    assert (status, reported) == ("canceled", [(backfill_id, 0, 3)] * 2)


def test_days_of_unfinished_runs_and_backfills_are_busy(shop: Shop) -> None:
    shop.run_of("x", "2026-01-03", "2026-01-04", dg.DagsterRunStatus.STARTED)
    shop.backfills.launch({date(2026, 2, 1): shop.backfills.selected("*")}, "February")
    spans = {(item.first, item.last) for item in shop.backfills.busy()}
    assert spans == {(date(2026, 1, 3), date(2026, 1, 4)), (date(2026, 2, 1), date(2026, 2, 1))}
    plan = shop.backfills.plan(date(2026, 1, 4), date(2026, 1, 5))
    assert not plan.launchable


def test_the_estimate_comes_from_the_runs_before(shop: Shop) -> None:
    shop.run_of("x", "2026-01-01", "2026-01-04")
    plan = shop.backfills.plan(date(2026, 1, 5), date(2026, 1, 12))
    assert plan.measured_runs == 1
    assert plan.seconds is not None


def test_a_selection_takes_dagsters_words_and_a_wrong_one_is_named(shop: Shop) -> None:
    assert [key.to_user_string() for key in shop.backfills.selected("marts/daily")] == ["marts/daily"]
    assert len(shop.backfills.selected("iceberg/orders+")) == 2
    with pytest.raises(BackfillError, match="selects no asset"):
        shop.backfills.selected("group:nothing")


def test_resume_takes_open_days_whole_and_of_done_days_what_was_not_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = shop.backfills.selected("*")
    (backfill_id,) = shop.backfills.launch(dict.fromkeys([DAY, DAY + timedelta(days=1)], keys), "two days")
    backfill = shop.backfills.get(backfill_id[:6])
    with pytest.raises(BackfillError, match="has not ended"):
        shop.backfills.what_failed(backfill)
    shop.fails = True
    shop.run_of(backfill_id, "2026-01-01", "2026-01-02")
    shop.end(backfill_id)
    done = records()
    monkeypatch.setattr(launch, "read_stage_records", lambda settings, first, last: done)
    assert shop.backfills.what_failed(shop.backfills.get(backfill_id)) == {
        DAY: (dg.AssetKey(["marts", "daily"]),),
        DAY + timedelta(days=1): tuple(keys),
    }
    progress = shop.backfills.progress(shop.backfills.get(None))
    assert (progress.done, progress.open_days) == (1, (DAY + timedelta(days=1),))
    (run,) = progress.runs
    assert (run.status, run.steps_done, run.failed_steps) == ("failure", 1, ("marts__daily",))


def test_an_unknown_backfill_is_named(shop: Shop) -> None:
    with pytest.raises(BackfillError, match="there is no backfill abc"):
        shop.backfills.get("abc")
