"""One typed tree of settings, read from the environment once.

What belongs here: names, types, defaults, profiles, and the refusal to start with a missing secret. What does not: clients
and connections (Dagster resources build those from these values).

Every setting is an environment variable `ECOMMERCE_<SECTION>__<NAME>`; four have short names: `ECOMMERCE_PROFILE`,
`ECOMMERCE_LANDING_URI`, `ECOMMERCE_DATA_DIR`, `ECOMMERCE_START_DATE`. No file is read: the shell's variables are the truth.
"""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ecommerce_platform.spark_settings import SparkSettings as SparkSettings

PROJECT_DIR = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting is missing or cannot be used; the message names the environment variable and what it expects."""


#: Names that become part of SQL. They are refused here, by the variable's name, before any statement is made of them.
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]
TableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")]


class Profile(StrEnum):
    LOCAL = "local"
    KIND = "kind"
    PRODUCTION = "production"


class S3Settings(BaseModel):
    """How to reach S3 or a compatible store. Empty keys mean the ambient credentials of the machine."""

    endpoint: str | None = None
    region: str = "us-east-1"
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    path_style: bool = True


class LandingSettings(BaseModel):
    """The landing zone and what is refused there."""

    max_quarantined_share: Decimal = Field(Decimal("0.01"), ge=0, le=1)


class LakehouseSettings(BaseModel):
    """Iceberg: catalog and files. Empty addresses follow from the data directory."""

    catalog_name: Name = "iceberg"
    catalog_type: Literal["sql", "rest", "hive", "glue", "hadoop"] = "sql"
    catalog_uri: str | None = None
    catalog_user: str | None = None
    catalog_password: SecretStr | None = None
    warehouse: str | None = None
    namespace: Name = "ecommerce"
    quarantine_namespace: Name = "quarantine"
    analytics_namespace: Name = "analytics"
    # A column of landing files that the contract does not name: added to the tables, left in the files, or the day refused.
    unknown_columns: Literal["add", "ignore", "refuse"] = "add"
    # A day with more rows, as a first snapshot may have, is decoded and written in several commits before it is published as one.
    rows_per_part: int = Field(50_000_000, ge=1)
    # Upkeep: snapshots that nobody names are kept so long, and files that no table knows.
    snapshot_retention_days: int = Field(7, ge=1)
    orphan_retention_days: int = Field(3, ge=3)


class SnowflakeSettings(BaseModel):
    """Snowflake. Without an account the local profile starts the embedded stand-in."""

    account: str | None = None
    user: str | None = None
    password: SecretStr | None = None
    private_key_path: str | None = None
    private_key_passphrase: SecretStr | None = None
    host: str | None = None
    port: int | None = None
    protocol: Literal["https", "http"] = "https"
    role: Name = "TRANSFORMER"
    warehouse: Name = "COMPUTE_WH"
    warehouse_size: str = "SMALL"
    batch_warehouse_size: str = "MEDIUM"
    auto_suspend_seconds: int = 300
    database: Name = "ECOMMERCE_DW"
    # The role that `warehouse init` connects with, where the everyday role may not create warehouses, roles and databases.
    admin_role: Name | None = None
    # A load's rows and ledger rows share a transaction per table; this many days of a range at most.
    days_per_transaction: int = Field(31, ge=1)
    login_timeout_seconds: int = Field(
        60, ge=1, description="how long a login may take, tries of the connector included"
    )
    network_timeout_seconds: int = Field(600, ge=1, description="how long a request may go unanswered, tries included")
    lock_timeout_seconds: int = Field(600, ge=1, description="how long a load waits for another's lock")


class ClickHouseSettings(BaseModel):
    """The speed layer. Without a host the local profile starts the embedded stand-in."""

    host: str | None = None
    port: int = 8123
    user: str = "default"
    password: SecretStr | None = None
    database: Name = "default"
    secure: bool = False
    orders_table: TableName = "orders_realtime"
    columns: dict[str, Name] = Field(default_factory=dict, description="contract or CDC column -> name in orders_table")


class DbtSettings(BaseModel):
    """The dbt project and how it runs."""

    project_dir: Path = PROJECT_DIR / "dbt_project"
    target_path: Path | None = None
    threads: int = 4


class BusinessSettings(BaseModel):
    """Thresholds of the business definitions (docs/definitions.md)."""

    tier_silver: Decimal = Decimal("500")
    tier_gold: Decimal = Decimal("2000")
    tier_platinum: Decimal = Decimal("5000")
    price_mid_range: Decimal = Decimal("25")
    price_premium: Decimal = Decimal("100")
    order_medium: Decimal = Decimal("50")
    order_large: Decimal = Decimal("200")
    top_percent: int = 20
    assumed_cost_ratio: Decimal = Decimal("0.6")
    active_days: int = 90
    at_risk_days: int = 180
    recent_days: int = 30


class MartsSettings(BaseModel):
    """The published figures. A month's books close this many days after its end: what changes later is a late change."""

    month_closes_after_days: int = Field(5, ge=0, description="days after a month's end on which its books close")


class ReconciliationSettings(BaseModel):
    """Tolerances as shares: above `tolerance` a metric warns, above `failure` it is an error; `metric_*` for one metric.

    A discrepancy that is still seen `lag_window_seconds` after it was first seen is confirmed. The `max_*` bound what one
    reconciliation may cost; what they leave unexamined is reported. `ignore_columns` of orders are not compared.

    Days that have not converged are reconciled again `again_first_gap_seconds` after they were seen to differ, each time
    `again_factor` times later, `again_longest_gap_seconds` at most, until `convergence_limit_hours` are over. A reconciliation
    waits `wait_for_models_seconds` for a dbt run to finish. Reports go to `reports_uri` (a folder or s3://bucket/prefix).
    """

    tolerance: Decimal = Field(Decimal("0.05"), ge=0)
    failure: Decimal = Field(Decimal("0.10"), ge=0)
    metric_tolerance: dict[str, Decimal] = Field(default_factory=dict)
    metric_failure: dict[str, Decimal] = Field(default_factory=dict)
    ignore_columns: tuple[str, ...] = ()
    lag_window_seconds: int = Field(900, ge=0)
    convergence_limit_hours: int = Field(72, ge=0)
    max_findings: int = Field(100_000, gt=0)
    max_fetched_rows: int = Field(20_000_000, gt=0)
    max_seconds: int = Field(1800, gt=0)
    query_seconds: int = Field(600, gt=0)
    query_memory_bytes: int = Field(4_000_000_000, gt=0)
    wait_for_models_seconds: int = Field(60, ge=0)
    again_first_gap_seconds: int = Field(900, gt=0)
    again_factor: float = Field(2.0, ge=1)
    again_longest_gap_seconds: int = Field(6 * 3600, gt=0)
    reports_uri: str = ""
    # Pages written by one run; those of other dates are written when they are asked for.
    report_pages: int = Field(14, ge=0)


class OperationsSettings(BaseModel):
    """When a day's batch starts by itself, when it counts as late (hours of the next day, UTC), and how runs are cut."""

    run_hour_utc: int = Field(2, ge=0, le=23)
    day_late_hour_utc: int = Field(6, ge=0, le=23)
    backfill_days_per_run: int = Field(90, ge=1)
    # The exporter asks the warehouse after each run, and otherwise only so often: a question keeps Snowflake's meter running.
    tables_interval_seconds: float = Field(600, gt=0)


class NotificationSettings(BaseModel):
    """Who is told of failures, and what the messages link to. The addresses are secrets: whoever has one can post."""

    slack_url: SecretStr | None = None
    webhook_url: SecretStr | None = None
    webhook_token: SecretStr | None = None
    ui_url: str = "http://127.0.0.1:3000"
    runbook_url: str = "docs/runbook.md"
    timeout_seconds: float = Field(5.0, gt=0, le=30)
    # The same trouble is told again after so many hours, if nothing has mended it.
    repeat_hours: float = Field(24.0, gt=0)


class RunSettings(BaseModel):
    """Run pods on Kubernetes. `resources` is JSON: job name to a container's requests and limits, where they differ from the
    chart's `workloads.resources`."""

    resources: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="ECOMMERCE_", env_nested_delimiter="__", extra="ignore", frozen=True, env_ignore_empty=True
    )

    profile: Profile = Profile.LOCAL
    data_dir: Path = PROJECT_DIR / "data"
    landing_uri: str = ""
    scratch_uri: str = ""
    start_date: date = date(2026, 1, 1)

    s3: S3Settings = S3Settings()
    landing: LandingSettings = LandingSettings()
    lakehouse: LakehouseSettings = LakehouseSettings()
    spark: SparkSettings = SparkSettings()
    snowflake: SnowflakeSettings = SnowflakeSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    dbt: DbtSettings = DbtSettings()
    business: BusinessSettings = BusinessSettings()
    marts: MartsSettings = MartsSettings()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    runs: RunSettings = RunSettings()
    operations: OperationsSettings = OperationsSettings()
    notifications: NotificationSettings = NotificationSettings()

    @model_validator(mode="after")
    def _fill_from_data_dir(self) -> Settings:
        data = self.data_dir.expanduser().resolve()
        object.__setattr__(self, "data_dir", data)
        if not self.landing_uri:
            object.__setattr__(self, "landing_uri", str(data / "landing"))
        if not self.scratch_uri:
            object.__setattr__(self, "scratch_uri", str(data / "scratch"))
        lake = self.lakehouse
        filled = lake.model_copy(
            update={
                "warehouse": lake.warehouse or str(data / "warehouse"),
                "catalog_uri": lake.catalog_uri
                or (f"sqlite:///{data / 'catalog.db'}" if lake.catalog_type == "sql" else None),
            }
        )
        object.__setattr__(self, "lakehouse", filled)
        if not self.reconciliation.reports_uri:
            reports = self.reconciliation.model_copy(update={"reports_uri": str(data / "reports")})
            object.__setattr__(self, "reconciliation", reports)
        return self

    @property
    def snowflake_is_embedded(self) -> bool:
        """Whether the stand-in on this machine serves Snowflake's protocol."""
        return self.snowflake.account is None and self.snowflake.host is None

    @property
    def clickhouse_is_embedded(self) -> bool:
        """Whether the stand-in on this machine serves ClickHouse's protocol."""
        return self.clickhouse.host is None

    def required_outside_local(self) -> dict[str, object]:
        """Environment variables that a production profile cannot do without, with their values."""
        snowflake, clickhouse = self.snowflake, self.clickhouse
        return {
            "ECOMMERCE_LANDING_URI": self.landing_uri if "ECOMMERCE_LANDING_URI" in os.environ else None,
            "ECOMMERCE_LAKEHOUSE__WAREHOUSE": os.environ.get("ECOMMERCE_LAKEHOUSE__WAREHOUSE"),
            "ECOMMERCE_SNOWFLAKE__ACCOUNT": snowflake.account,
            "ECOMMERCE_SNOWFLAKE__USER": snowflake.user,
            "ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PATH": snowflake.private_key_path or snowflake.password,
            "ECOMMERCE_CLICKHOUSE__HOST": clickhouse.host,
            "ECOMMERCE_CLICKHOUSE__PASSWORD": clickhouse.password,
        }


def load_settings(**overrides: object) -> Settings:
    """The settings of this process's environment; `overrides` win (tests).

    Raises SettingsError naming every variable that is missing (production) or has a value that cannot be used.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"ECOMMERCE_{'__'.join(str(part).upper() for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        )
        raise SettingsError(f"settings cannot be used: {problems}") from None
    if settings.profile is Profile.PRODUCTION:
        missing = [name for name, value in settings.required_outside_local().items() if not value]
        if missing:
            raise SettingsError(f"profile production refuses to start without {', '.join(missing)}")
    return settings
