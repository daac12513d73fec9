"""The sections of the settings: names, types, defaults and what each means, which is where docs/reference/settings.md comes from.

What belongs here: one section a subject. What does not: what decides published figures (figures.py), Spark (spark.py), reading
the environment and profiles (__init__.py).
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_PACKAGE = Path(__file__).resolve().parent.parent
_PACKAGED = _PACKAGE / "dbt_project"
#: The checkout, or the image's folder; of an installed package, the folder in which one works.
PROJECT_DIR = Path.cwd() if _PACKAGED.is_dir() else _PACKAGE.parent
#: The dbt project that the platform comes with: a package holds it (setup.py).
SHIPPED_DBT_PROJECT = _PACKAGED if _PACKAGED.is_dir() else PROJECT_DIR / "dbt_project"

#: Names that become part of SQL. They are refused here, by the variable's name, before any statement is made of them.
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]
TableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")]


class Section(BaseModel):
    """A section; the text below a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class S3Settings(Section):
    """How to reach S3 or a compatible store."""

    endpoint: str | None = None
    """Address of a compatible store; AWS when empty."""
    region: str = "us-east-1"
    """Region of the buckets."""
    access_key_id: SecretStr | None = None
    """Key; without one, the machine's ambient credentials."""
    secret_access_key: SecretStr | None = None
    """Secret of the key."""
    connect_seconds: float = Field(10, gt=0)
    """How long a connection to the store may take to open."""
    answer_seconds: float = Field(60, gt=0)
    """How long the store may be silent before a request is tried again, three times in all."""
    path_style: bool = True
    """Whether the bucket is in the path, as most compatible stores want it, or in the host's name."""


class LandingSettings(Section):
    """The landing zone and what is refused there."""

    max_quarantined_share: Decimal = Field(Decimal("0.01"), ge=0, le=1)
    """A day with a larger share of its rows in quarantine is not published."""
    ignore: tuple[str, ...] = ()
    """Patterns of file names, or of paths below a table's folder, that are not landing files and refuse no day, such as
    `["*.csv", "date=*/reports/*"]`. Hidden and unfinished files are left alone without it."""
    retention_days: int | None = Field(None, ge=1)
    """How long landing keeps its files, counted in days back from a table's highest published day. A day older than that may
    have no files: what is published of it stays. When empty, landing keeps every day."""
    remove_expired: bool = False
    """Whether maintenance removes the files of days past `retention_days`. Off, landing's owner does, by a lifecycle rule. A
    file that no run has read, or that belongs to a refused day, stays."""


class LakehouseSettings(Section):
    """Iceberg: catalog and files. Empty addresses follow from the data directory."""

    catalog_name: Name = "iceberg"
    """Name of the catalog, the same for Spark and PyIceberg: the SQL catalog stores it with every table."""
    catalog_type: Literal["sql", "rest", "hive", "glue", "hadoop"] = "sql"
    """Kind of catalog; see the page on catalogs."""
    catalog_uri: str | None = None
    """Address of the catalog; a SQLite file in the data directory when empty."""
    catalog_user: str | None = None
    """User of the catalog's database, or client id of a REST catalog."""
    catalog_password: SecretStr | None = None
    """Its password or secret."""
    catalog_connect_seconds: int = Field(15, ge=2)
    """How long a connection to the catalog's PostgreSQL may take to open, login included."""
    catalog_answer_seconds: int = Field(120, ge=1)
    """How long one of its statements may take."""
    warehouse: str | None = None
    """Where the tables' files are: a folder or `s3://bucket/prefix`; in the data directory when empty."""
    namespace: Name = "ecommerce"
    """Namespace of the change events."""
    quarantine_namespace: Name = "quarantine"
    """Namespace of the rows that were set aside."""
    analytics_namespace: Name = "analytics"
    """Namespace of the analytics by Spark."""
    unknown_columns: Literal["add", "ignore", "refuse"] = "add"
    """A column of landing files that the contract does not name: added to the tables, left in the files, or the day refused. The
    production profile adds none, because only a contract says whether a column is personal: the day goes through without it, and
    a check, the day's metadata and `doctor` name it."""
    rows_per_part: int = Field(50_000_000, ge=1)
    """A day with more rows, as a first snapshot may have, is written in several commits before it is published as one."""
    snapshot_retention_days: int = Field(7, ge=1)
    """Maintenance keeps younger snapshots, and those that a ledger or a refused day names."""
    quarantine_retention_days: int = Field(90, ge=1)
    """Maintenance removes quarantined rows of published days that are so many landing days before the table's highest published
    day. Rows of a refused day stay until somebody has decided on it."""
    orphan_retention_days: int = Field(3, ge=3)
    """Maintenance removes files that no table knows once they are older."""
    max_orphan_share: Decimal = Field(Decimal("0.1"), ge=0, le=1)
    """Maintenance removes no files of a table when more than this share of its data files look like orphans: a person decides."""


class SnowflakeSettings(Section):
    """Snowflake. Without an account the local profile starts the embedded stand-in."""

    account: str | None = None
    """Account identifier, as `organisation-account`."""
    user: str | None = None
    """User that loads, transforms and reconciles."""
    password: SecretStr | None = None
    """Password, where key-pair authentication is not used."""
    private_key_path: str | None = None
    """File with the private key (PKCS#8, PEM)."""
    private_key_passphrase: SecretStr | None = None
    """Passphrase of the key."""
    host: str | None = None
    """Host of a stand-in; follows from the account when empty."""
    port: int | None = None
    """Port of a stand-in."""
    protocol: Literal["https", "http"] = "https"
    """Protocol of a stand-in."""
    role: Name = "TRANSFORMER"
    """Role of loads, dbt and the reconciliation."""
    analyst_role: Name = "ANALYST"
    """Role that may read the models and Spark's copies, personal columns hidden. `warehouse init` makes it; nobody has it."""
    masking: bool = True
    """Whether personal columns are hidden by masking policies, which need the Enterprise edition. Without them, analysts get no
    table that has such a column."""
    personal_data_roles: tuple[Name, ...] = ()
    """Roles that see personal columns, beside that of loads, dbt and the reconciliation."""
    warehouse: Name = "COMPUTE_WH"
    """Warehouse that computes."""
    warehouse_size: str = "SMALL"
    """Its size when `warehouse init` makes it."""
    batch_warehouse_size: str = "MEDIUM"
    """Its size while a load of more than one day runs."""
    auto_suspend_seconds: int = 300
    """Seconds after which an idle warehouse is suspended."""
    database: Name = "ECOMMERCE_DW"
    """Database with RAW, STAGING, INTERMEDIATE, MARTS and RECONCILIATION."""
    admin_role: Name | None = None
    """Role that `warehouse init` connects with, where the everyday role may not create warehouses, roles and databases."""
    days_per_transaction: int = Field(31, ge=1)
    """A load's rows and ledger rows share a transaction per table; this many days with rows at most."""
    login_timeout_seconds: int = Field(60, ge=1)
    """How long a login may take, tries of the connector included."""
    network_timeout_seconds: int = Field(600, ge=1)
    """How long a request may go unanswered, tries included."""
    statement_timeout_seconds: int = Field(4 * 3600, ge=1)
    """How long a statement may run; Snowflake ends it then (its own default is two days)."""
    queue_timeout_seconds: int = Field(3600, ge=1)
    """How long a statement may wait for a place in the warehouse."""
    answer_seconds: float | None = Field(None, gt=0)
    """How long a statement of the platform (not of dbt) may take in all, to the last byte of its answer; then it is given up,
    and its session with it. By default the sum of the two limits above and an hour, in which rows travel."""
    lock_timeout_seconds: int = Field(600, ge=1)
    """How long a load waits for another's lock."""
    stage_retention_hours: float = Field(24, gt=0)
    """Maintenance removes staged files of loads that were killed once they are older."""
    superseded_retention_days: int = Field(30, ge=1)
    """Rows that a later load replaced go when a build has applied that load. Where none has for so long, maintenance removes
    them, and the next build computes everything again."""
    lease_seconds: float = Field(60, ge=1)
    """A build of the models, or a reconciliation, that is not heard of for so long has lost its turn to the next."""

    @property
    def is_embedded(self) -> bool:
        """Whether the stand-in on this machine serves Snowflake's protocol."""
        return self.account is None and self.host is None


class ClickHouseSettings(Section):
    """The speed layer. Without a host the local profile starts the embedded stand-in."""

    host: str | None = None
    """Host of the HTTP interface."""
    port: int = 8123
    """Port of the HTTP interface."""
    user: str = "default"
    """User who may read the orders."""
    password: SecretStr | None = None
    """Password of that user."""
    database: Name = "default"
    """Database with the orders."""
    secure: bool | None = None
    """Whether to use TLS; when empty, in production alone. Its certificate is verified."""
    login_seconds: int = Field(60, ge=1)
    """How long it may take until the server has answered for the first time."""
    orders_table: TableName = "orders_realtime"
    """Table with the order versions."""
    columns: dict[str, Name] = Field(default_factory=dict)
    """Column of the contract or of change data capture to its name in the table, where they differ."""

    @property
    def is_embedded(self) -> bool:
        """Whether the stand-in on this machine serves ClickHouse's protocol."""
        return self.host is None


class DbtSettings(Section):
    """The dbt project and how it runs."""

    project_dir: Path = SHIPPED_DBT_PROJECT
    """Folder with `dbt_project.yml`."""
    target_path: Path | None = None
    """Where dbt writes its manifest; when empty, `target` in the project, or `dbt` in the data directory for the project of an
    installed package."""
    threads: int = 4
    """Models that are built at the same time."""
    wait_for_build_seconds: float = Field(1800, ge=0)
    """How long a build waits for another build of the same warehouse."""


class PrivacySettings(Section):
    """What keeps forgotten people forgotten."""

    key: SecretStr | None = None
    """Key of the hashes by which forgotten people are known when they are landed again: a random text, kept with the backups. On
    one machine a file of the data directory, `forgotten.key`, where it is empty."""
    rewrite_landing: bool = True
    """Whether a person is taken out of landing files by writing them again. When false, the files are named for their owner."""


class OperationsSettings(Section):
    """When a day's batch starts by itself, and how runs are cut."""

    run_hour_utc: int = Field(2, ge=0, le=23)
    """Hour of the next day, UTC, at which a day's batch starts."""
    day_late_hour_utc: int = Field(6, ge=0, le=23)
    """Hour of the next day, UTC, from which a day that is not through is late."""
    backfill_days_per_run: int = Field(90, ge=1)
    """Days of one run of a backfill."""
    runs_retention_days: int = Field(365, ge=7)
    """Maintenance removes finished runs, with their events and logs, from Dagster's home once they are older. Which days are
    published and loaded is in the lakehouse and in Snowflake."""
    ui_hosts: tuple[str, ...] = ()
    """Names that Dagster's web server answers to, beside those of this machine; a page of another name is refused."""
    tables_interval_seconds: float = Field(600, gt=0)
    """The exporter asks the warehouse after each run, and otherwise only so often: a question keeps Snowflake's meter running."""


class NotificationSettings(Section):
    """Who is notified of failures, and what the messages link to. The addresses are secrets: whoever has one can post."""

    slack_url: SecretStr | None = None
    """Incoming webhook in Slack's form."""
    webhook_url: SecretStr | None = None
    """Receiver of plain JSON."""
    webhook_token: SecretStr | None = None
    """Bearer token for that receiver."""
    ui_url: str = "http://127.0.0.1:3000"
    """Dagster's UI, for links."""
    runbook_url: str = "docs/runbook.md"
    """The runbook, for links."""
    timeout_seconds: float = Field(5.0, gt=0, le=30)
    """How long a receiver may take."""
    repeat_hours: float = Field(24.0, gt=0)
    """The same trouble is reported again after so many hours if it is not resolved."""


class RunSettings(Section):
    """Runs and their pods on Kubernetes."""

    steps_at_once: int | None = Field(None, ge=1, le=8)
    """Steps of a run at a time, where neither depends on the other and their pools have room: with 2, loading and dbt run beside
    Spark's analytics. When empty: 2 with the launcher `local`, on two cores or more, with memory enough for what has
    landed; otherwise 1. On a cluster, where the run's process only waits for Spark, 2 pays."""

    resources: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    """Job name to a container's requests and limits, where they differ from the chart's `workloads.resources`."""
