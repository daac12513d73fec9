"""Runs dbt in this process with the kept manifest, and hands on its events as they happen.

What belongs here: arguments, the run, its outcome. What does not: Dagster (assets.py), which days are applied (applied.py).

In this process, because a dbt of its own would start an interpreter, import for seconds and parse the project again. dbt keeps
its flags and its environment per process, so one run at a time. Builds by other processes, here and elsewhere, are held off by
the lease of the models (build.py): a run without one takes it by dbt's own hooks, as dbt by hand does.
"""

from __future__ import annotations

import json
import queue
import shutil
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ecommerce_platform.execution.ending import asked
from ecommerce_platform.live_progress import Reached, unseen
from ecommerce_platform.settings import Settings
from ecommerce_platform.transformation.builds.failing_rows import FailedTest, FailingRows
from ecommerce_platform.transformation.project.manifest import DbtProject, load_parsed, rendered_project
from ecommerce_platform.transformation.project.profile import (
    environment,
    lease_environment,
    profile_environment,
    restatement_environment,
)
from ecommerce_platform.warehouse.schema.lease import Lease
from ecommerce_platform.warehouse.sql.connection import Opener, connect

#: Everything but the unit tests, which test the SQL and not the data: they run in `make test`.
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "exposure")
_RESULT_EVENTS = frozenset({"LogModelResult", "LogTestResult"})
_IN_PROCESS = threading.Lock()
#: What dbt has for its running statements when this process is asked to end. It begins no further model then: each asks for the
#: lease, which is given back.
_LAST_STATEMENTS_SECONDS = 5.0


class DbtRunError(RuntimeError):
    """dbt ended without success; `failed` names models and tests, the message has what each reported."""

    def __init__(self, message: str, failed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.failed = failed


@dataclass(frozen=True)
class DbtRequest:
    """What a run is to do. `select` empty means all; `only_selected` leaves out tests that are not named.

    `cause` is what the log of restatements says of figures that change; empty, it names the loads that are newly applied.
    """

    command: str = "build"
    select: tuple[str, ...] = ()
    full_refresh: bool = False
    with_unit_tests: bool = False
    only_selected: bool = False
    cause: str = ""


@dataclass
class DbtRun:
    """A run in progress: iterate `events` to its end; then `node_results` has status and seconds of each node."""

    target: Path
    events: Generator[dict[str, Any], None, None] = field(init=False)
    node_results: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: Tests that failed or warned, by unique id, each from the moment its event is handed on.
    failed_tests: dict[str, FailedTest] = field(default_factory=dict)


def build_arguments(request: DbtRequest, project: DbtProject, target: Path) -> list[str]:
    """Arguments of dbt's command line for a request."""
    project_dir = str(rendered_project(project))
    arguments = ["--quiet", "--no-write-json", "--log-level-file", "none", request.command]
    if request.select:
        arguments += ["--select", *request.select]
    if request.command in ("build", "test") and not request.with_unit_tests:
        arguments += NO_UNIT_TESTS if request.command == "build" else NO_UNIT_TESTS[:2]
    if request.full_refresh:
        arguments.append("--full-refresh")
    if request.only_selected:
        arguments += ["--indirect-selection", "empty"]
    return [
        *arguments,
        *("--vars", json.dumps(project.variables, sort_keys=True)),
        *("--project-dir", project_dir, "--profiles-dir", project_dir),
        *("--target-path", str(target), "--log-path", str(target)),
    ]


@contextmanager
def dbt_run(settings: Settings, request: DbtRequest, run_id: str, lease: Lease | None = None) -> Iterator[DbtRun]:
    """A run; its compiled SQL lies under `target` until the context ends. `lease` is that of the models, where it is held.

    Iterating `events` raises DbtRunError at their end when the run failed.
    """
    project = DbtProject.of(settings)
    target = project.target / "runs" / run_id
    variables = {
        **profile_environment(settings, run_id),
        **restatement_environment(settings.marts.month_closes_after_days, run_id, request.cause),
        **lease_environment(lease),
    }
    with _IN_PROCESS, environment(variables):
        run = DbtRun(target)
        run.events = _events(project, request, run, partial(connect, settings, run_id))
        try:
            yield run
        finally:
            run.events.close()
            shutil.rmtree(target, ignore_errors=True)


def run_dbt(
    settings: Settings,
    request: DbtRequest,
    run_id: str = "by-hand",
    lease: Lease | None = None,
    reached: Reached = unseen,
) -> dict[str, tuple[str, float]]:
    """A whole run; status and seconds by node. `reached` hears of each node that has ended. Raises DbtRunError."""
    with dbt_run(settings, request, run_id, lease) as run:
        for ended, event in enumerate(run.events, start=1):
            reached("dbt", ended, max(ended, int(event["data"].get("total", 0))))
        return run.node_results


def _events(
    project: DbtProject, request: DbtRequest, run: DbtRun, open_connection: Opener
) -> Generator[dict[str, Any], None, None]:
    """dbt's result events as dictionaries, while dbt works in a thread of its own."""
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    manifest = load_parsed(project)
    happened: queue.Queue[dict[str, Any] | None] = queue.Queue()
    outcome: dict[str, Any] = {}

    def listen(event: Any) -> None:
        if event.info.name in _RESULT_EVENTS:
            happened.put(MessageToDict(event, preserving_proto_field_name=True))

    def work() -> None:
        try:
            runner = dbtRunner(manifest=manifest, callbacks=[listen])
            outcome["result"] = runner.invoke(build_arguments(request, project, run.target))
        except BaseException as error:  # noqa: BLE001 - handed to the reader's thread, which raises it
            outcome["error"] = error
        finally:
            happened.put(None)

    thread = threading.Thread(target=work, name="dbt", daemon=True)
    thread.start()
    try:
        with FailingRows(open_connection, manifest) as failing:
            while (event := happened.get()) is not None:
                _note_failed(event, run, failing)
                yield event
    finally:
        # Also when the reader gives up: dbt must have ended before its environment and its files go.
        thread.join(_LAST_STATEMENTS_SECONDS if asked() else None)
    if "error" in outcome:
        raise outcome["error"]
    _conclude(outcome["result"], run)


def _note_failed(event: Mapping[str, Any], run: DbtRun, failing: FailingRows) -> None:
    data = event["data"]
    if event["info"]["name"] == "LogTestResult" and data["status"] in ("fail", "warn"):
        unique_id = data["node_info"]["unique_id"]
        run.failed_tests[unique_id] = failing.of(unique_id, data["status"], int(data.get("num_failures", 0)))


def _conclude(outcome: Any, run: DbtRun) -> None:
    results = list(getattr(outcome.result, "results", ()) or ())
    run.node_results = {
        item.node.unique_id: (str(item.status), float(item.execution_time))
        for item in results
        if item.node.resource_type != "operation"  # the hooks that take the lease and give it back
    }
    if outcome.success:
        return
    if outcome.exception is not None:
        raise DbtRunError(f"dbt could not run: {outcome.exception}") from outcome.exception
    bad = [item for item in results if str(item.status) in ("error", "fail", "runtime error")]
    failures = "; ".join(f"{item.node.name}: {_message(item, run)}" for item in bad)
    raise DbtRunError(
        f"dbt failed in {len(bad)} of {len(results)} nodes: {failures}", tuple(item.node.name for item in bad)
    )


def _message(item: Any, run: DbtRun) -> str:
    failed = run.failed_tests.get(item.node.unique_id)
    return failed.finding() if failed else _first_lines(item.message)


def _first_lines(message: str | None) -> str:
    return " ".join((message or "no message").split())[:400]
