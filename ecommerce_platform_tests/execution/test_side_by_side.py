"""Steps that do not depend on each other run at the same time, as many as allowed; nothing else changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from ecommerce_platform.execution.resuming import executor_for

#: How long a step waits for one that should run at the same time.
PATIENCE = 10.0


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as own:
        yield own


@dataclass
class Watch:
    """How many steps are at work, and how many were at most."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(0.2)
        yield
        with self.lock:
            self.now -= 1


def run(instance: dg.DagsterInstance, at_once: int, *assets: dg.AssetsDefinition) -> tuple[bool, Counter[str]]:
    """Whether the run succeeded, and its events of steps, by step and type."""
    executor = executor_for(lambda _: at_once)
    jobs = [dg.define_asset_job("steps", selection="*")]
    job = dg.Definitions(assets=assets, jobs=jobs, executor=executor).resolve_job_def("steps")
    created = instance.create_run_for_job(job)
    passed = list(execute_run_iterator(InMemoryJob(job), created, instance))
    logged = [entry.dagster_event for entry in instance.all_logs(created.run_id)]
    events = Counter(f"{event.step_key} {event.event_type_value}" for event in logged if event and event.step_key)
    assert events >= Counter(f"{event.step_key} {event.event_type_value}" for event in passed if event.step_key)
    finished = instance.get_run_by_id(created.run_id)
    assert finished is not None
    return finished.status == dg.DagsterRunStatus.SUCCESS, events


def test_steps_that_do_not_depend_on_each_other_meet_and_their_events_are_whole(instance: dg.DagsterInstance) -> None:
    meeting = threading.Barrier(2)
    order: list[str] = []

    @dg.asset
    def spark() -> None:
        meeting.wait(PATIENCE)
        order.append("spark")

    @dg.asset
    def load() -> None:
        meeting.wait(PATIENCE)
        order.append("load")

    @dg.asset(deps=[spark, load])
    def agreement() -> None:
        order.append("agreement")

    succeeded, events = run(instance, 2, spark, load, agreement)

    assert succeeded
    assert (sorted(order[:2]), order[2:]) == (["load", "spark"], ["agreement"])
    for step in ("spark", "load", "agreement"):
        assert [events[f"{step} {kind}"] for kind in ("STEP_START", "ASSET_MATERIALIZATION", "STEP_SUCCESS")] == [
            1,
            1,
            1,
        ]


@pytest.mark.parametrize(("at_once", "pool", "most"), [(1, None, 1), (2, None, 2), (3, "warehouse", 1)])
def test_no_more_steps_run_than_the_setting_and_their_pool_allow(
    instance: dg.DagsterInstance, at_once: int, pool: str | None, most: int
) -> None:
    watch = Watch()
    instance.event_log_storage.set_concurrency_slots("warehouse", 1)

    def step(number: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"step_{number}", pool=pool)
        def work() -> None:
            with watch.at_work():
                pass

        return work

    succeeded, _ = run(instance, at_once, *map(step, range(4)))

    assert succeeded
    assert watch.most == most


def test_a_failed_step_leaves_the_others_alone_and_one_that_is_retried_succeeds(instance: dg.DagsterInstance) -> None:
    failed = threading.Event()
    tries: list[int] = []

    @dg.asset
    def fails() -> None:
        failed.set()
        raise ValueError("this step fails")

    @dg.asset(deps=[fails])
    def behind() -> None:
        raise AssertionError("its upstream failed")

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def flaky() -> None:
        assert failed.wait(PATIENCE)
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("the first try fails")

    succeeded, events = run(instance, 2, fails, behind, flaky)

    assert not succeeded
    assert events["fails STEP_FAILURE"] == events["flaky STEP_UP_FOR_RETRY"] == events["flaky STEP_SUCCESS"] == 1
    assert "behind STEP_START" not in events
