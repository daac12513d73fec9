"""The Iceberg catalog of the settings, for Spark and for PyIceberg: the same tables through either door.

What belongs here: how each catalog type (sql, rest, hive, glue, hadoop) is configured. What does not: the session
(spark/session.py) and the tables. When to use which type: docs/catalogs.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ecommerce_platform.iceberg.s3_options import iceberg_s3_options, pyiceberg_s3_options
from ecommerce_platform.iceberg.shared_catalogs import sql_catalog
from ecommerce_platform.settings import LakehouseSettings, S3Settings, Settings
from ecommerce_platform.settings.addresses import is_s3, store_path

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyspark.sql import SparkSession

#: How long a writer waits for another one's lock on SQLite.
LOCK_TIMEOUT_SECONDS = 30


class CatalogError(ValueError):
    """The catalog's settings cannot be used; the message names the environment variable and what it expects."""


def needs_s3(settings: Settings) -> bool:
    """Whether anything that Spark reads or writes lies on S3, or the catalog is AWS's own."""
    uris = (settings.landing_uri, settings.scratch_uri, settings.lakehouse.warehouse)
    return settings.lakehouse.catalog_type == "glue" or any(is_s3(uri) for uri in uris)


def absolute_uri(location: str) -> str:
    """`location` with a scheme: a folder becomes `file:///…`, so that Spark and PyIceberg write the same locations."""
    # Not Path.as_uri(): neither Hadoop nor PyIceberg decodes the %20 that it would write for a space.
    return location if "://" in location else f"file://{Path(location).expanduser().resolve()}"


def hadoop_uri(location: str) -> str:
    """The address as Spark's file readers want it: `s3://` goes through S3A, a folder gets `file://`."""
    uri = absolute_uri(location)
    return f"s3a://{store_path(uri)}" if is_s3(uri) else uri


def warehouse_uri(section: LakehouseSettings) -> str:
    """Where Iceberg's files lie."""
    warehouse = section.warehouse
    if not warehouse:
        raise CatalogError("ECOMMERCE_LAKEHOUSE__WAREHOUSE is empty; expected a folder or s3://bucket/prefix")
    return absolute_uri(warehouse)


def warehouse_root(section: LakehouseSettings) -> str | None:
    """The warehouse as a place that can be listed; None where it is only a name that a REST catalog's service knows."""
    warehouse = section.warehouse or ""
    is_name = section.catalog_type == "rest" and "://" not in warehouse and not warehouse.startswith("/")
    return None if is_name else warehouse_uri(section).rstrip("/")


def _required_uri(section: LakehouseSettings) -> str:
    if not section.catalog_uri:
        raise CatalogError(
            f"ECOMMERCE_LAKEHOUSE__CATALOG_URI is empty; a {section.catalog_type} catalog needs its address"
        )
    return section.catalog_uri


def _with_credentials(section: LakehouseSettings) -> dict[str, str]:
    """User and password: those of the settings, else those in the address."""
    from sqlalchemy.engine import make_url

    url = make_url(_required_uri(section))
    password = section.catalog_password.get_secret_value() if section.catalog_password else url.password
    credentials = {"user": section.catalog_user or url.username, "password": password}
    return {name: str(value) for name, value in credentials.items() if value}


def jdbc_uri(section: LakehouseSettings) -> str:
    """The SQL catalog's address in JDBC's form, without user and password. Raises CatalogError for an unknown database."""
    from sqlalchemy.engine import make_url

    url = make_url(_required_uri(section))
    database = url.get_backend_name()
    if database == "sqlite":
        return f"jdbc:sqlite:{_sqlite_file(section)}?busy_timeout={LOCK_TIMEOUT_SECONDS * 1000}"
    if database in ("postgresql", "postgres"):
        # The driver's names; what the address says itself wins.
        limits: dict[str, object] = {
            "connectTimeout": section.catalog_connect_seconds,
            "loginTimeout": section.catalog_connect_seconds,
            "socketTimeout": section.catalog_answer_seconds,
            "tcpKeepAlive": "true",
        }
        given = {name: value for name, value in url.query.items() if (name, value) != ("sslrootcert", "system")}
        if str(given.get("sslmode", "")).startswith("verify") and "sslrootcert" not in given:
            limits["sslfactory"] = "org.postgresql.ssl.DefaultJavaSSLFactory"  # the certificates that Java trusts
        query = urlencode(limits | given)
        return f"jdbc:postgresql://{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}?{query}"
    raise CatalogError(
        f"ECOMMERCE_LAKEHOUSE__CATALOG_URI names the database {database!r}; a sql catalog is kept in sqlite or postgresql"
    )


def sqlalchemy_uri(section: LakehouseSettings) -> str:
    """The SQL catalog's address in SQLAlchemy's form, with user and password."""
    from sqlalchemy.engine import make_url

    url = make_url(_required_uri(section))
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{_sqlite_file(section)}?timeout={LOCK_TIMEOUT_SECONDS}"
    given = _with_credentials(section)
    url = url.set(drivername="postgresql+psycopg2", username=given.get("user"), password=given.get("password"))
    # libpq's names; what the address says itself wins. A server that is gone is noticed by what it no longer acknowledges.
    limits = {
        "connect_timeout": str(section.catalog_connect_seconds),
        "options": f"-c statement_timeout={section.catalog_answer_seconds * 1000}",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": str(section.catalog_answer_seconds * 1000),
    }
    if str(url.query.get("sslmode", "")).startswith("verify"):
        limits["sslrootcert"] = "system"  # the certificates that the machine trusts
    url = url.set(query=limits | dict(url.query))
    return url.render_as_string(hide_password=False)


def _sqlite_file(section: LakehouseSettings) -> Path:
    from sqlalchemy.engine import make_url

    database = make_url(_required_uri(section)).database
    if not database or database == ":memory:":
        raise CatalogError(
            f"ECOMMERCE_LAKEHOUSE__CATALOG_URI is {section.catalog_uri}; expected sqlite:////folder/catalog.db, a file that "
            "Spark and PyIceberg can both open"
        )
    return Path(database).expanduser().resolve()


def prepare_catalog(section: LakehouseSettings) -> None:
    """Makes the folders of a local catalog and warehouse; does nothing for those elsewhere."""
    if section.catalog_type == "sql" and _required_uri(section).startswith("sqlite"):
        _sqlite_file(section).parent.mkdir(parents=True, exist_ok=True)
    warehouse = warehouse_uri(section)
    if warehouse.startswith("file:"):
        Path(warehouse.removeprefix("file://")).mkdir(parents=True, exist_ok=True)


def spark_catalog_options(section: LakehouseSettings, s3: S3Settings) -> dict[str, str]:
    """Spark's options `spark.sql.catalog.<name>…` for the catalog. Some are secret: they are set in the session, never
    on Spark's command line, which every user of the machine can read.
    """
    options = {
        # What PyIceberg or another process commits must be seen at once.
        "cache-enabled": "false",
        "warehouse": warehouse_uri(section),
        **_spark_type_options(section),
    }
    if is_s3(options["warehouse"]) or section.catalog_type == "glue":
        options |= {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", **iceberg_s3_options(s3)}
        if section.catalog_type == "hadoop":
            # The hadoop catalog lists and renames through Hadoop's file system.
            options["warehouse"] = hadoop_uri(options["warehouse"])
            del options["io-impl"]
    prefix = f"spark.sql.catalog.{section.catalog_name}"
    return {
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        **{f"{prefix}.{name}": value for name, value in options.items()},
    }


def _spark_type_options(section: LakehouseSettings) -> dict[str, str]:
    if section.catalog_type == "sql":
        credentials = {f"jdbc.{name}": value for name, value in _with_credentials(section).items()}
        return {"type": "jdbc", "uri": jdbc_uri(section), "jdbc.schema-version": "V1", **credentials}
    if section.catalog_type == "glue":
        endpoint = {"glue.endpoint": section.catalog_uri} if section.catalog_uri else {}
        return {"type": "glue", **endpoint}
    if section.catalog_type == "hadoop":
        return {"type": "hadoop"}
    return {"type": section.catalog_type, "uri": _required_uri(section), **_rest_credential(section)}


def _rest_credential(section: LakehouseSettings) -> dict[str, str]:
    """OAuth2 client credentials of a REST catalog: `user:password`, as both libraries take them."""
    if section.catalog_type != "rest" or not section.catalog_password:
        return {}
    secret = section.catalog_password.get_secret_value()
    return {"credential": f"{section.catalog_user}:{secret}" if section.catalog_user else secret}


def pyiceberg_catalog(section: LakehouseSettings, s3: S3Settings, on_s3: bool) -> Catalog:
    """The catalog for PyIceberg, the same one that Spark has; a SQL catalog is one for the process (shared_catalogs.py).
    `on_s3` is whether files may lie in a store, which is reached by `s3`.

    Raises CatalogError for `hadoop`, which PyIceberg lacks.
    """
    from pyiceberg.catalog import load_catalog

    if section.catalog_type == "hadoop":
        raise CatalogError(
            "ECOMMERCE_LAKEHOUSE__CATALOG_TYPE=hadoop has no catalog for PyIceberg: it reads such a table only by its "
            "folder (Lake.load). Use sql, rest, glue or hive where Python writes."
        )
    prepare_catalog(section)
    options = {"type": section.catalog_type, "warehouse": warehouse_uri(section)}
    s3_options = pyiceberg_s3_options(s3) if on_s3 else {}
    if section.catalog_type == "sql":
        return sql_catalog(section.catalog_name, options | {"uri": sqlalchemy_uri(section)} | s3_options)
    if section.catalog_type == "glue":
        options |= {"glue.region": s3.region}
        if section.catalog_uri:
            options["glue.endpoint"] = section.catalog_uri
        if s3.access_key_id and s3.secret_access_key:
            options["glue.access-key-id"] = s3.access_key_id.get_secret_value()
            options["glue.secret-access-key"] = s3.secret_access_key.get_secret_value()
    else:
        options |= {"uri": _required_uri(section), **_rest_credential(section)}
    return load_catalog(section.catalog_name, **options, **s3_options)


def ensure_namespace(catalog: Catalog, namespace: str) -> None:
    """Creates the namespace where it is missing."""
    from sqlalchemy.exc import DBAPIError

    try:
        catalog.create_namespace_if_not_exists(namespace)
    except DBAPIError:
        # A SQL catalog's answer to the slower of two that create it at once.
        if not catalog.namespace_exists(namespace):
            raise


def ensure_namespaces(spark: SparkSession, section: LakehouseSettings) -> None:
    """Creates the platform's three namespaces where they are missing."""
    for namespace in (section.namespace, section.quarantine_namespace, section.analytics_namespace):
        spark.sql(f"create namespace if not exists `{section.catalog_name}`.`{namespace}`")
