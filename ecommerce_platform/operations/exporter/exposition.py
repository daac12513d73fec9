"""Puts a tally and a look at the tables into Prometheus' words. Others rely on names and labels: docs/metrics.md lists them.

What does not belong here: reading and adding up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, UntypedMetricFamily
from prometheus_client.metrics_core import Metric

from ecommerce_platform.operations.exporter.state import Known, PlatformState
from ecommerce_platform.operations.exporter.tally import Histogram, Tally


@dataclass(frozen=True)
class Snapshot:
    """Everything that one scrape shows."""

    #: None until the whole log is read.
    tally: Tally | None
    #: None until the tables have been read.
    state: PlatformState | None
    runs_by_status: Mapping[str, int]
    daemon_heartbeats: Mapping[str, float]
    known: Known
    read_at: float
    read_seconds: float
    errors: Mapping[str, int] = field(default_factory=dict)
    oldest_unfinished_run: float | None = None
    notifications_waiting: int | None = 0
    catching_up: bool = False


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """The metric families of one scrape."""
    if snapshot.tally is not None:
        yield from _of_the_design(snapshot.tally, snapshot.known)
        yield from _of_the_log(snapshot.tally, snapshot.known)
    if snapshot.state is not None:
        yield _discrepancy(snapshot.state)
        yield from _of_tables(snapshot.state)
        yield from _of_reconciliation(snapshot.state)
    yield from _of_unfinished_runs(snapshot)
    yield from _of_the_exporter(snapshot)


def _histogram(name: str, text: str, labels: tuple[str, str], values: Mapping[tuple[str, str], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=list(labels))
    for key, histogram in sorted(values.items()):
        family.add_metric(list(key), buckets=histogram.cumulative(), sum_value=histogram.total)
    return family


def _of_the_design(tally: Tally, known: Known) -> Iterator[Metric]:
    yield _histogram(
        "spark_batch_job_duration",
        "Seconds of a Spark step; date is the run's partition, or the last of its range.",
        ("job_name", "date"),
        tally.spark_durations,
    )
    rate = GaugeMetricFamily(
        "snowflake_load_success_rate", "Share of the last load attempts that succeeded.", labels=["schema", "table"]
    )
    for table, attempts in sorted(tally.load_attempts.items()):
        rate.add_metric(["RAW", table], sum(attempts) / len(attempts))
    yield rate
    yield _histogram(
        "dbt_model_execution_time",
        "Seconds of a dbt model.",
        ("model_name", "materialization"),
        _by_model(known, tally),
    )
    # A counter under the name that the design's alert asks for; the client library would append _total to a typed one.
    failures = UntypedMetricFamily(
        "dbt_model_failures", "Failures of a dbt model since the log began.", labels=["model_name"]
    )
    # A failed dbt test is in what dbt reports as failed, too; it is a check here, and no model.
    for model in known.models:
        failures.add_metric([model.name], tally.model_failures[model.name])
    yield failures


def _discrepancy(state: PlatformState) -> Metric:
    family = GaugeMetricFamily(
        "lambda_reconciliation_discrepancy",
        "Share by which speed and batch layer differ, on the worst date (0.1 is 10 %); 0 once all have converged.",
        labels=["metric", "user_tier"],
    )
    for item in state.discrepancies:
        family.add_metric([item.metric, item.user_tier], item.share)
    return family


def _by_model(known: Known, tally: Tally) -> dict[tuple[str, str], Histogram]:
    """Durations by the model's name in dbt; one that has not run yet is there with nothing observed."""
    names = {model.asset: model.name for model in known.models}
    durations = {(model.name, model.materialization): Histogram() for model in known.models}
    for (asset, materialization), histogram in tally.dbt_durations.items():
        durations[names.get(asset, asset.split("/")[-1]), materialization] = histogram
    return durations


def _of_the_log(tally: Tally, known: Known) -> Iterator[Metric]:
    ended = CounterMetricFamily("ecommerce_runs", "Runs that ended, by outcome.", labels=["job_name", "outcome"])
    jobs = sorted({*known.jobs, *(job for job, _ in tally.runs)})
    for job in jobs:
        for outcome in ("success", "failure", "canceled"):
            ended.add_metric([job, outcome], tally.runs[job, outcome])
    yield ended
    last = GaugeMetricFamily(
        "ecommerce_last_run_end_timestamp_seconds", "When a run last ended so.", labels=["job_name", "outcome"]
    )
    for (job, outcome), at in sorted(tally.last_run_end.items()):
        last.add_metric([job, outcome], at)
    yield last
    success = GaugeMetricFamily(
        "ecommerce_last_success_timestamp_seconds",
        "When an asset of the stage was last materialized.",
        labels=["stage"],
    )
    for stage, at in sorted(tally.last_success.items()):
        success.add_metric([stage], at)
    yield success
    rows = GaugeMetricFamily(
        "ecommerce_asset_rows", "Rows that an asset's last materialization reported.", labels=["asset"]
    )
    for asset, count in sorted(tally.rows.items()):
        rows.add_metric([asset], count)
    yield rows
    checks = CounterMetricFamily(
        "ecommerce_failed_checks", "Asset checks that failed.", labels=["asset", "check", "severity"]
    )
    zeros = {(asset, check, severity): 0 for asset, check in known.checks for severity in ("ERROR", "WARN")}
    for labels, failed in sorted({**zeros, **tally.failed_checks}.items()):
        checks.add_metric(list(labels), failed)
    yield checks


def _of_unfinished_runs(snapshot: Snapshot) -> Iterator[Metric]:
    now = GaugeMetricFamily("ecommerce_runs_now", "Runs that have not ended, by status.", labels=["status"])
    for status, count in sorted(snapshot.runs_by_status.items()):
        now.add_metric([status], count)
    yield now
    oldest = GaugeMetricFamily(
        "ecommerce_oldest_unfinished_run_timestamp_seconds", "When the oldest run that has not ended was created."
    )
    if snapshot.oldest_unfinished_run is not None:
        oldest.add_metric([], snapshot.oldest_unfinished_run)
    yield oldest


def _start_of(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def _of_tables(state: PlatformState) -> Iterator[Metric]:
    day = GaugeMetricFamily(
        "ecommerce_last_day_timestamp_seconds",
        "Start of the last day that a table has landed, published, loaded.",
        labels=["table", "stage"],
    )
    quarantined = GaugeMetricFamily("ecommerce_quarantined_rows", "Rows in quarantine.", labels=["table"])
    refused = GaugeMetricFamily(
        "ecommerce_refused_days", "Days that were refused and are not published.", labels=["table"]
    )
    lag = GaugeMetricFamily(
        "ecommerce_partition_lag_days", "Days that have landed and are not loaded.", labels=["table"]
    )
    for item in state.days:
        for stage, reached in (("landed", item.landed), ("published", item.published), ("loaded", item.loaded)):
            if reached is not None:
                day.add_metric([item.table, stage], _start_of(reached))
        quarantined.add_metric([item.table], item.quarantined_rows)
        refused.add_metric([item.table], item.refused_days)
        lag.add_metric([item.table], item.waiting_days)
    yield from (day, quarantined, refused, lag)
    snapshots = GaugeMetricFamily("ecommerce_iceberg_snapshots", "Snapshots that a table keeps.", labels=["table"])
    files = GaugeMetricFamily("ecommerce_iceberg_data_files", "Data files of the current snapshot.", labels=["table"])
    size = GaugeMetricFamily("ecommerce_iceberg_bytes", "Bytes of the current snapshot's data files.", labels=["table"])
    for table in state.iceberg:
        snapshots.add_metric([table.name], table.snapshots)
        files.add_metric([table.name], table.data_files)
        size.add_metric([table.name], table.bytes)
    yield from (snapshots, files, size)


def _of_reconciliation(state: PlatformState) -> Iterator[Metric]:
    findings = GaugeMetricFamily("ecommerce_order_discrepancies", "Orders that differ, by state.", labels=["state"])
    for name in ("suspected", "confirmed"):
        findings.add_metric([name], state.open_findings.get(name, 0))
    yield findings
    verified = GaugeMetricFamily(
        "ecommerce_verified_through_timestamp_seconds", "Start of the last day of the unbroken run of converged days."
    )
    if state.verified_through is not None:
        verified.add_metric([], _start_of(state.verified_through))
    yield verified
    convergence = GaugeMetricFamily(
        "ecommerce_convergence_seconds", "Time that a business date took to converge.", labels=["date"]
    )
    for seconds in sorted(state.convergence_seconds)[-30:]:
        convergence.add_metric([seconds.isoformat()], state.convergence_seconds[seconds])
    yield convergence
    yield GaugeMetricFamily(
        "ecommerce_not_converged_days",
        "Business dates on which the layers still differ.",
        value=state.not_converged_days,
    )


def _of_the_exporter(snapshot: Snapshot) -> Iterator[Metric]:
    heartbeat = GaugeMetricFamily(
        "ecommerce_daemon_heartbeat_timestamp_seconds", "Last heartbeat of a Dagster daemon.", labels=["daemon"]
    )
    for daemon, at in sorted(snapshot.daemon_heartbeats.items()):
        heartbeat.add_metric([daemon], at)
    yield heartbeat
    if snapshot.notifications_waiting is not None:
        yield GaugeMetricFamily(
            "ecommerce_notifications_waiting",
            "Notifications that a receiver has not taken yet.",
            value=snapshot.notifications_waiting,
        )
    yield GaugeMetricFamily(
        "ecommerce_exporter_catching_up",
        "1 until the whole event log is read after a start; what is summed up from it is not shown until then.",
        value=int(snapshot.catching_up),
    )
    yield GaugeMetricFamily(
        "ecommerce_exporter_read_timestamp_seconds",
        "Last reading of Dagster's storage, or of a page of it.",
        value=snapshot.read_at,
    )
    yield GaugeMetricFamily(
        "ecommerce_exporter_read_seconds", "Seconds of the last reading.", value=snapshot.read_seconds
    )
    errors = CounterMetricFamily(
        "ecommerce_exporter_read_errors", "Readings that failed, by source.", labels=["source"]
    )
    for source, count in sorted({"dagster": 0, "tables": 0, **snapshot.errors}.items()):
        errors.add_metric([source], count)
    yield errors
