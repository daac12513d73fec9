"""`ecommerce-platform metrics`, `doctor`, `backfill …`: watching the platform, and computing its days again."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ecommerce_platform.commands.output import ListFormat, print_rows, say, settings_or_exit
from ecommerce_platform.live_progress import live_progress
from ecommerce_platform.next_commands import ui_command

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance

    from ecommerce_platform.operations.backfill.days import DayState
    from ecommerce_platform.operations.backfill.launch import Backfills

backfill_app = typer.Typer(
    no_args_is_help=True, help="Days computed again, or for the first time: planned, run, resumed."
)

Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"])]
Select = Annotated[
    str, typer.Option(help="Assets, in Dagster's selection syntax; `*` is everything from Iceberg to the reports.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Show how far it is until it has ended; ctrl-c only stops looking.")
]
Format = Annotated[ListFormat, typer.Option("--format", help="How the result is printed.")]


def metrics(
    port: Annotated[int, typer.Option(help="Port to serve on.", min=0, max=65535)] = 9187,
    host: Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0 in a container.")] = "127.0.0.1",
    interval: Annotated[float, typer.Option(help="Seconds between readings of Dagster's log.", min=0.2)] = 15.0,
) -> None:
    """Serve `/metrics` for Prometheus from Dagster's event log and the platform's tables."""
    settings = settings_or_exit()

    from ecommerce_platform.definitions import build_definitions
    from ecommerce_platform.operations.exporter.known import known
    from ecommerce_platform.operations.exporter.server import Exporter
    from ecommerce_platform.operations.exporter.tables import models_of, read_platform
    from ecommerce_platform.operations.first_use import open_instance
    from ecommerce_platform.transformation.project.manifest import DbtProject, load_manifest

    # The stand-in costs nothing to ask; a real warehouse is kept awake by every question.
    between = interval if settings.snowflake.is_embedded else settings.operations.tables_interval_seconds
    with open_instance() as instance:
        declared = known(models_of(load_manifest(DbtProject.of(settings))), build_definitions(settings))
        exporter = Exporter(instance, lambda: read_platform(settings), declared, interval, between, say)
        server, thread = exporter.serve(host, port)
        say(f"serving http://{host}:{server.server_port}/metrics, reading every {interval:g} s; ctrl-c stops")
        try:
            thread.join()
        except KeyboardInterrupt:
            exporter.stop()


def doctor() -> None:
    """Check every outside system of the current profile and say what to mend."""
    from ecommerce_platform.operations.doctor import examine

    findings = examine(settings_or_exit())
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'MEND'} {finding.system:<12} {finding.message}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@contextmanager
def _backfills() -> Iterator[Backfills]:
    import os

    settings = settings_or_exit()

    from ecommerce_platform.definitions import build_definitions
    from ecommerce_platform.landing.files import LandingError
    from ecommerce_platform.operations.backfill.launch import BackfillError, Backfills
    from ecommerce_platform.operations.first_use import open_instance

    if not os.environ.get("DAGSTER_HOME"):
        say("error: DAGSTER_HOME is not set; backfills and their runs are kept there")
        raise typer.Exit(2)
    try:
        with open_instance() as instance:
            yield Backfills(settings, instance, build_definitions(settings))
    except (BackfillError, LandingError) as error:
        say(f"error: {error}")
        raise typer.Exit(2) from None


@backfill_app.command("plan", epilog="Example: `ecommerce-platform backfill plan 2026-01-01 2026-01-31`")
def backfill_plan(first: Day, last: Day, select: Select = "*", output: Format = ListFormat.TABLE) -> None:
    """Show days, runs, estimated time, what would be computed again, and what is wrong; exits with 1 if it cannot start."""
    with _backfills() as backfills:
        plan = backfills.plan(first.date(), last.date(), select)
        if output is ListFormat.JSON:
            print_rows(_day_rows(plan.days), output, "")
        else:
            for line in plan.lines():
                typer.echo(line)
    raise typer.Exit(0 if plan.launchable else 1)


@backfill_app.command(
    "run", epilog="Example: `ecommerce-platform backfill run 2026-01-01 2026-01-31 --select group:marts`"
)
def backfill_run(
    first: Day,
    last: Day,
    select: Select = "*",
    pending: Annotated[bool, typer.Option(help="Only the days that are not in the marts as they have landed.")] = False,
    follow: Follow = False,
) -> None:
    """Launch the days as a Dagster backfill; its id goes to stdout. Starts nothing while something is wrong."""
    from ecommerce_platform.operations.backfill.days import Stage

    with _backfills() as backfills:
        plan = backfills.plan(first.date(), last.date(), select)
        for line in plan.lines():
            say(line)
        if not plan.launchable:
            raise typer.Exit(1)
        keys = backfills.selected(select)
        work = {state.day: keys for state in plan.days if not pending or state.stage is not Stage.DONE}
        launched = _launch(backfills, work, f"{first.date()} to {last.date()}")
        if follow and launched:
            _follow(backfills, launched)


def _launch(backfills: Backfills, work: Mapping[date, Sequence[AssetKey]], title: str) -> list[str]:
    if not work:
        say("nothing to do")
        return []
    launched = backfills.launch(work, title)
    for backfill_id in launched:
        typer.echo(backfill_id)
    if not daemon_is_alive(backfills.instance):
        say(f"no Dagster daemon is running: the backfill starts when one does (`{ui_command()}` has one)")
    return launched


def _follow(backfills: Backfills, launched: Sequence[str]) -> None:
    """Shows how far the backfills are until they have ended; exits with 1 where one has not succeeded, 130 by ctrl-C."""
    from ecommerce_platform.operations.backfill.launch import SUCCEEDED

    statuses = []
    try:
        with live_progress("days") as reached:
            for backfill_id in launched:
                statuses.append(backfills.follow(backfill_id, reached))
    except KeyboardInterrupt:
        say(
            "stopped looking; Dagster goes on with the backfill. `ecommerce-platform backfill status` says how far it is, "
            "`backfill status --follow` shows it again; ending it is a click in Dagster's UI"
        )
        raise typer.Exit(128 + signal.SIGINT) from None
    for backfill_id, status in zip(launched, statuses, strict=True):
        say(f"{backfill_id}: {status}")
    raise typer.Exit(0 if all(status == SUCCEEDED for status in statuses) else 1)


@backfill_app.command("status", epilog="Example: `ecommerce-platform backfill status`")
def backfill_status(
    backfill_id: Annotated[
        str | None, typer.Argument(help="Its id or the beginning of it; without, the newest.")
    ] = None,
    output: Format = ListFormat.TABLE,
    follow: Follow = False,
) -> None:
    """Show how far a backfill is: its days by the ledgers, its runs by Dagster."""
    from collections import Counter

    with _backfills() as backfills:
        if follow:
            _follow(backfills, [backfills.get(backfill_id).backfill_id])
        progress = backfills.progress(backfills.get(backfill_id))
        if output is ListFormat.JSON:
            print_rows(_day_rows(progress.days), output, "")
            return
        typer.echo(
            f"{progress.backfill_id} {progress.status}: {progress.done} of {len(progress.days)} days in the marts"
        )
        for stage, count in sorted(Counter(state.stage for state in progress.days).items()):
            typer.echo(f"  {count:>5} days {stage.value}")
        for run in progress.runs:
            failed = f", failed: {', '.join(run.failed_steps)}" if run.failed_steps else ""
            typer.echo(f"  run {run.run_id} {run.days}: {run.status}, {run.steps_done} steps done{failed}")


@backfill_app.command("resume", epilog="Example: `ecommerce-platform backfill resume`")
def backfill_resume(
    backfill_id: Annotated[
        str | None, typer.Argument(help="Its id or the beginning of it; without, the newest.")
    ] = None,
) -> None:
    """Launch again what failed of a backfill, and only that."""
    with _backfills() as backfills:
        backfill = backfills.get(backfill_id)
        _launch(backfills, backfills.what_failed(backfill), f"resumes {backfill.backfill_id}")


def _day_rows(states: Sequence[DayState]) -> list[dict[str, object]]:
    return [
        {
            "day": state.day.isoformat(),
            "stage": state.stage.value,
            "files": state.files,
            "bytes": state.bytes,
            "missing_tables": list(state.missing_tables),
            "refused": dict(state.refused),
        }
        for state in states
    ]


def daemon_is_alive(instance: DagsterInstance) -> bool:
    """Whether the daemon that runs backfills has given a heartbeat lately."""
    beat = instance.get_daemon_heartbeats().get("BACKFILL")
    return beat is not None and datetime.now(UTC).timestamp() - beat.timestamp < 120
