"""One typed tree of settings, read from the environment once.

What belongs here: profiles, what follows from the environment, and the refusal to start with a missing secret. What does not:
the sections (sections.py, figures.py, spark.py), and clients and connections (Dagster resources build those from these
values).

Every setting is an environment variable `ECOMMERCE_<SECTION>__<NAME>`; four have short names: `ECOMMERCE_PROFILE`,
`ECOMMERCE_LANDING_URI`, `ECOMMERCE_DATA_DIR`, `ECOMMERCE_START_DATE`. No file is read: the shell's variables are the truth.
"""

from __future__ import annotations

import os
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ecommerce_platform.settings.figures import BusinessSettings, MartsSettings, ReconciliationSettings
from ecommerce_platform.settings.rules import problems_of_places, problems_of_production, verified
from ecommerce_platform.settings.sections import (
    PROJECT_DIR,
    SHIPPED_DBT_PROJECT,
    ClickHouseSettings,
    DbtSettings,
    LakehouseSettings,
    LandingSettings,
    Name,
    NotificationSettings,
    OperationsSettings,
    PrivacySettings,
    RunSettings,
    S3Settings,
    SnowflakeSettings,
    TableName,
)
from ecommerce_platform.settings.spark import SparkSettings

__all__ = [
    "PROJECT_DIR",
    "SHIPPED_DBT_PROJECT",
    "BusinessSettings",
    "ClickHouseSettings",
    "DbtSettings",
    "LakehouseSettings",
    "LandingSettings",
    "MartsSettings",
    "Name",
    "NotificationSettings",
    "OperationsSettings",
    "PrivacySettings",
    "Profile",
    "ReconciliationSettings",
    "RunSettings",
    "S3Settings",
    "Settings",
    "SettingsError",
    "SnowflakeSettings",
    "SparkSettings",
    "TableName",
    "load_settings",
]


class SettingsError(ValueError):
    """A setting is missing or cannot be used; the message names the environment variable and what it expects."""


class Profile(StrEnum):
    LOCAL = "local"
    KIND = "kind"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """All settings of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="ECOMMERCE_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
    )

    profile: Profile = Profile.LOCAL
    """`local`: one machine, stand-ins for what has no address. `kind`: the same on a cluster, sensors and schedules on.
    `production`: as `kind`, and refuses to start without the addresses and secrets it needs."""
    data_dir: Path = PROJECT_DIR / "data"
    """Folder for everything that has no address of its own: landing zone, tables, catalog, stand-ins, reports."""
    landing_uri: str = ""
    """The landing zone: a folder or `s3://bucket/prefix`; `landing` in the data directory when empty."""
    scratch_uri: str = ""
    """Where steps and their launchers put files for one another, a folder or `s3://bucket/prefix`; `scratch` in the data
    directory when empty. Spark steps on a cluster need one that all pods reach. A place of its own: not in the landing zone or
    the warehouse, and in production not in the landing zone's bucket."""
    unencrypted: tuple[Literal["catalog", "clickhouse", "s3", "snowflake"], ...] = ()
    """Systems that production may reach without TLS, or without verifying whom it talks to. Whoever is on the way
    then reads and changes what goes over."""
    start_date: date = date(2026, 1, 1)
    """The first day there can be."""
    debug: bool = False
    """Whether a failed step shows all that led to its error. As `--debug` does for a command: without it, known troubles of the
    outside world are one paragraph."""

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
    privacy: PrivacySettings = PrivacySettings()
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
        if self.profile is Profile.PRODUCTION and "catalog" not in self.unencrypted:
            filled = filled.model_copy(update={"catalog_uri": verified(filled.catalog_uri)})
        object.__setattr__(self, "lakehouse", filled)
        if self.clickhouse.secure is None:
            secure = self.profile is Profile.PRODUCTION and "clickhouse" not in self.unencrypted
            object.__setattr__(self, "clickhouse", self.clickhouse.model_copy(update={"secure": secure}))
        if self.spark.engine is None:
            here = self.profile is Profile.LOCAL and self.spark.launcher == "local" and self.spark.tasks_in_driver
            spark = self.spark.model_copy(update={"engine": "server" if here else "process"})
            object.__setattr__(self, "spark", spark)
        if not self.reconciliation.reports_uri:
            reports = self.reconciliation.model_copy(update={"reports_uri": str(data / "reports")})
            object.__setattr__(self, "reconciliation", reports)
        return self

    @model_validator(mode="after")
    def _keep_places_apart(self) -> Settings:
        if problems := list(problems_of_places(self)):
            raise ValueError("; ".join(problems))
        return self

    @property
    def realtime_dir(self) -> Path:
        """Where the sample shop's speed-layer versions are written."""
        return self.data_dir / "realtime"

    @property
    def unknown_columns(self) -> Literal["add", "ignore", "refuse", "withhold"]:
        """What becomes of a landing file's column that no contract names. Production adds none: it may be personal, and only a
        contract can say so. It is withheld, which is ignored and reported."""
        asked = self.lakehouse.unknown_columns
        return "withhold" if asked == "add" and self.profile is Profile.PRODUCTION else asked

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
        unusable = "; ".join(
            f"ECOMMERCE_{'__'.join(str(part).upper() for part in item['loc'])}: {item['msg']}"
            if item["loc"]
            else str(item["msg"])
            for item in error.errors()
        )
        raise SettingsError(f"settings cannot be used: {unusable}") from None
    if settings.profile is Profile.PRODUCTION:
        missing = [name for name, value in settings.required_outside_local().items() if not value]
        if missing:
            raise SettingsError(f"profile production refuses to start without {', '.join(missing)}")
        if problems := list(problems_of_production(settings)):
            raise SettingsError(f"profile production refuses to start: {'; '.join(problems)}")
    return settings
