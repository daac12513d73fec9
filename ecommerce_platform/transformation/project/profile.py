"""How dbt reaches Snowflake and what it knows of its run: environment variables that dbt_project reads.

What belongs here: settings to variables. What does not: what dbt does with the connection (runner.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ecommerce_platform.settings import Settings
from ecommerce_platform.warehouse.schema.lease import Lease
from ecommerce_platform.warehouse.sql.connection import connection_arguments


def profile_environment(settings: Settings, run_id: str) -> dict[str, str]:
    """Variables of profiles.yml for these settings; starts the stand-in when it is wanted.

    Secrets go into variables that dbt keeps out of its logs (DBT_ENV_SECRET_…). Raises WarehouseError without credentials.
    """
    arguments = connection_arguments(settings, run_id)
    snowflake = settings.snowflake
    variables = {
        "ECOMMERCE_DBT_TARGET": _target(arguments),
        "ECOMMERCE_DBT_ACCOUNT": str(arguments["account"]),
        "ECOMMERCE_DBT_USER": str(arguments["user"]),
        "ECOMMERCE_DBT_ROLE": snowflake.role,
        "ECOMMERCE_DBT_WAREHOUSE": snowflake.warehouse,
        "ECOMMERCE_DBT_DATABASE": snowflake.database,
        "ECOMMERCE_DBT_SOURCE_DATABASE": snowflake.database,
        # Loads of a day count for it and for the next until its hour.
        "ECOMMERCE_DBT_LATE_AFTER_HOURS": str(24 + (settings.operations.day_late_hour_utc or 24)),
        "ECOMMERCE_DBT_THREADS": str(settings.dbt.threads),
        "ECOMMERCE_DBT_QUERY_TAG": f"ecommerce-platform dbt run={run_id}",
    }
    optional = {
        "ECOMMERCE_DBT_HOST": arguments.get("host"),
        "ECOMMERCE_DBT_PORT": arguments.get("port"),
        "ECOMMERCE_DBT_PROTOCOL": arguments.get("protocol"),
        "ECOMMERCE_DBT_PRIVATE_KEY_PATH": arguments.get("private_key_file"),
        "DBT_ENV_SECRET_SNOWFLAKE_PASSWORD": arguments.get("password"),
        "DBT_ENV_SECRET_SNOWFLAKE_PASSPHRASE": arguments.get("private_key_file_pwd"),
    }
    return variables | {name: str(value) for name, value in optional.items() if value is not None}


def restatement_environment(month_closes_after_days: int, run_id: str, cause: str) -> dict[str, str]:
    """What the models write into the log of restatements; in the environment, because it is of the run, not of the models."""
    return {
        "ECOMMERCE_DBT_RUN_ID": run_id,
        "ECOMMERCE_DBT_CAUSE": cause,
        "ECOMMERCE_DBT_MONTH_CLOSES_AFTER_DAYS": str(month_closes_after_days),
    }


def lease_environment(lease: Lease | None) -> dict[str, str]:
    """The lease of the models that this process holds; empty, so that dbt's hooks take one, where it holds none."""
    return {"ECOMMERCE_DBT_LEASE_TOKEN": lease.token if lease else ""}


def _target(arguments: Mapping[str, object]) -> str:
    # The profile of the stand-in checks no certificate for revocation. Only the stand-in speaks plain http; an account behind
    # a host name of its own (a private link) is an account.
    if arguments.get("protocol") == "http":
        return "local"
    return "account_key_pair" if "private_key_file" in arguments else "account_password"


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of this process and puts back what was there; dbt reads its profile from them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
