"""Connecting: which credentials are used, what is tried again, and how a transaction ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import OperationalError, ProgrammingError

from ecommerce_platform.settings import Settings, SnowflakeSettings, load_settings
from ecommerce_platform.warehouse.sql.connection import (
    WarehouseError,
    connection_arguments,
    execute,
    fetch_all,
    is_transient,
    transaction,
    with_retries,
)


def account_settings(folder: Path, **snowflake: object) -> Settings:
    return load_settings(data_dir=folder, snowflake=SnowflakeSettings(account="acme-eu", user="loader", **snowflake))


def test_a_key_pair_goes_before_a_password_and_no_stand_in_is_started(tmp_path: Path) -> None:
    settings = account_settings(
        tmp_path,
        private_key_path="/keys/rsa.p8",
        private_key_passphrase=SecretStr("phrase"),
        password=SecretStr("word"),
    )

    arguments = connection_arguments(settings, run_id="r1", role="ADMIN")

    assert (arguments["authenticator"], arguments["private_key_file"]) == ("SNOWFLAKE_JWT", "/keys/rsa.p8")
    assert "password" not in arguments
    assert (arguments["account"], arguments["role"]) == ("acme-eu", "ADMIN")
    assert arguments["session_parameters"]["TIMEZONE"] == "UTC"
    assert arguments["session_parameters"]["QUERY_TAG"] == "ecommerce-platform run=r1"
    assert list(tmp_path.iterdir()) == []


def test_an_account_without_credentials_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PATH"):
        connection_arguments(account_settings(tmp_path))


def test_conflicts_and_lost_connections_are_worth_another_try_and_wrong_sql_is_not() -> None:
    assert is_transient(OperationalError(msg="lost", errno=250003))
    assert is_transient(ProgrammingError(msg="locked", errno=625))
    assert is_transient(ConnectionResetError())
    assert not is_transient(ProgrammingError(msg="syntax error", errno=1003))
    assert not is_transient(ValueError())


def test_tries_are_bounded_and_pause_longer_each_time() -> None:
    pauses: list[float] = []

    def lost() -> None:
        raise OperationalError(msg="lost", errno=250003)

    with pytest.raises(OperationalError):
        with_retries(lost, attempts=4, pause=pauses.append)

    assert len(pauses) == 3
    assert pauses == sorted(pauses)


def test_an_error_in_a_transaction_undoes_all_of_it(connection: SnowflakeConnection) -> None:
    execute(connection, "create or replace table RAW.TRIED (A number)")

    def insert_and_fail() -> None:
        with transaction(connection):
            execute(connection, "insert into RAW.TRIED values (1)")
            execute(connection, "select no_such_column from RAW.TRIED")

    with pytest.raises(ProgrammingError):
        insert_and_fail()

    assert fetch_all(connection, "select * from RAW.TRIED") == []
    execute(connection, "drop table RAW.TRIED")
