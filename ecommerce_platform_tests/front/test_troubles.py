"""Trouble of the outside world ends in one paragraph that says what and what to do, whatever the command."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy.exc
from botocore.exceptions import EndpointConnectionError
from clickhouse_connect.driver.exceptions import OperationalError as ClickHouseOperationalError
from pyiceberg.exceptions import NoSuchTableError
from snowflake.connector.errors import ProgrammingError
from typer.testing import CliRunner

from ecommerce_platform.cli import app
from ecommerce_platform.troubles import paragraph
from ecommerce_platform.warehouse.sql.connection import WarehouseError

MOST_LINES = 3


def chained(*errors: BaseException) -> BaseException:
    """The first error, raised from the second, and so on."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), ["the disk is full (/data/x)", "free space"]),
        (OSError("When writing: No space left on device"), ["the disk is full"]),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), ["/data/x", "ECOMMERCE_DATA_DIR"]),
        (sqlite3.DatabaseError("database disk image is malformed"), ["damaged", "backup", "doctor"]),
        (
            sqlalchemy.exc.DatabaseError("select", {}, sqlite3.DatabaseError("file is not a database")),
            ["damaged", "ECOMMERCE_LAKEHOUSE__CATALOG_URI"],
        ),
        (sqlite3.OperationalError("database is locked"), ["in use"]),
        (sqlite3.OperationalError("database or disk is full"), ["the disk is full"]),
        (
            ProgrammingError("Insufficient privileges", errno=3001, sqlstate="42501"),
            ["lacks a grant", "warehouse init"],
        ),
        (ProgrammingError("No active warehouse", errno=606, sqlstate="57P03"), ["ECOMMERCE_SNOWFLAKE__WAREHOUSE"]),
        (ProgrammingError("does not exist", errno=2003, sqlstate="02000"), ["may not see it"]),
        (ClickHouseOperationalError("connection refused"), ["ECOMMERCE_CLICKHOUSE__HOST"]),
        (EndpointConnectionError(endpoint_url="http://s3:9"), ["ECOMMERCE_S3__ENDPOINT"]),
        (NoSuchTableError("Table does not exist: ecommerce.orders"), ["ecommerce.orders", "ingest"]),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), ["cannot be reached", "doctor"]),
        (WarehouseError("no login; look at the network"), ["no login; look at the network"]),
        (chained(RuntimeError("a step failed"), OSError(errno.ENOSPC, "No space left")), ["the disk is full"]),
        (KeyError("surprise"), ["KeyError", "--debug"]),
    ],
)
def test_a_trouble_is_named_with_what_to_do(error: BaseException, words: list[str]) -> None:
    text = paragraph(error)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_of_a_java_error_the_last_cause_is_shown() -> None:
    from py4j.protocol import Py4JError

    text = (
        "An error occurred while calling o1.save.\n: org.apache.spark.SparkException: Job aborted\n\tat a.b(C.java:1)\n"
    )
    causes = "Caused by: java.lang.IllegalStateException: first\n\tat x\nCaused by: java.io.EOFException: cut off"
    error = Py4JError(text + causes)
    assert paragraph(error).startswith("Spark: java.io.EOFException: cut off")


def test_a_jvm_that_is_gone_is_no_server_that_cannot_be_reached() -> None:
    from py4j.clientserver import ClientServer, JavaParameters, PythonParameters

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gateway = ClientServer(JavaParameters(port=free.getsockname()[1]), PythonParameters(port=0))
        try:
            with pytest.raises(ConnectionRefusedError) as refused:
                gateway.jvm.java.lang.System.currentTimeMillis()
        finally:
            gateway.shutdown()
    text = paragraph(refused.value)
    assert text.startswith("Spark's JVM has ended")
    assert "ECOMMERCE_SPARK__DRIVER_MEMORY" in text


def test_control_characters_of_the_outside_world_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in paragraph(ValueError("\x1b[2Jgone"))


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A new installation with a landing zone of one empty day."""
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ECOMMERCE_SNOWFLAKE__LOGIN_TIMEOUT_SECONDS", "2")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "data" / "landing" / "orders" / "date=2026-01-01").mkdir(parents=True)
    return CliRunner()


def ends_in_a_paragraph(runner: CliRunner, command: str) -> str:
    result = runner.invoke(app, command.split())
    output = result.output + getattr(result, "stderr", "")
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert result.exit_code in (1, 2), output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in output
    assert len(lines) <= MOST_LINES, output
    return output


CATALOG = ["quarantine list", "refused list", "maintenance --dry-run", "ingest --date 2026-01-01"]


@pytest.mark.parametrize("command", CATALOG)
def test_a_corrupt_catalog_is_named_by_every_command_that_reads_it(
    runner: CliRunner, tmp_path: Path, command: str
) -> None:
    (tmp_path / "data" / "catalog.db").write_bytes(os.urandom(8192))
    output = ends_in_a_paragraph(runner, command)
    assert f"{tmp_path}/data/catalog.db" in output
    assert "backup" in output


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize(
    "command",
    [
        "sql select(1)",
        "restatements",
        "warehouse init",
        "rebuild raw --verify",
        "explain order 1",
        "backfill plan 2026-01-01 2026-01-01",
    ],
)
def test_a_warehouse_that_is_down_is_one_paragraph(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, closed_port: int, command: str
) -> None:
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(closed_port),
        "PROTOCOL": "http",
        "PASSWORD": "secret",
    }.items():
        monkeypatch.setenv(f"ECOMMERCE_SNOWFLAKE__{name}", value)
    monkeypatch.setenv("ECOMMERCE_SNOWFLAKE__ACCOUNT", "somewhere")
    output = ends_in_a_paragraph(runner, command)
    assert "no login at Snowflake" in output
    assert "secret" not in output


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system without a free byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    try:
        with (folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - that the disk is full is the fixture's work
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("command", ["sample --days 1 --orders-per-day 5", "refused list", "local up"])
def test_a_full_disk_is_one_paragraph(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, full_disk: Path, command: str
) -> None:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(full_disk))
    output = ends_in_a_paragraph(runner, command)
    assert "full" in output or "No space left" in output


def test_debug_shows_the_traceback(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "data" / "catalog.db").write_bytes(os.urandom(8192))
    result = runner.invoke(app, ["--debug", "quarantine", "list"])
    assert result.exit_code == 1
    assert not isinstance(result.exception, SystemExit)
