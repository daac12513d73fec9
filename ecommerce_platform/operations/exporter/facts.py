"""What the exporter takes from a run's events, as plain values. What does not belong here: Dagster and adding up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Materialized:
    """One asset partition was written. `seconds` and `rows` are None where the asset does not report them."""

    run_id: str
    asset: str
    day: str | None
    at: float
    rows: int | None = None
    seconds: float | None = None
    materialization: str | None = None


@dataclass(frozen=True)
class StepPlanned:
    """A run is to write an asset in this step. Its series start here, at zero, so that their first change is seen."""

    run_id: str
    step: str
    day: str | None
    asset: str


@dataclass(frozen=True)
class StepEnded:
    """A step ended. `assets` are those that it was to write; `day` is the partition, or the last of a range."""

    run_id: str
    step: str
    succeeded: bool
    seconds: float
    day: str | None
    at: float
    assets: tuple[str, ...] = ()
    failed_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckEvaluated:
    """An asset check gave its verdict."""

    run_id: str
    asset: str
    check: str
    passed: bool
    severity: str
    at: float


@dataclass(frozen=True)
class RunEnded:
    """A run ended; `outcome` is success, failure or canceled."""

    run_id: str
    job: str
    outcome: str
    at: float


Fact = Materialized | StepPlanned | StepEnded | CheckEvaluated | RunEnded
