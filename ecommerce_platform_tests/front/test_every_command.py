"""Every command of the command line, in each trouble of the outside world: one paragraph, never a traceback.

The commands come from the command line itself, each with the arguments of its own example: a new one is covered by itself.
"""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner, Result

from ecommerce_platform.cli import app
from ecommerce_platform_tests.case_sets import evenly
from ecommerce_platform_tests.front.refusing_snowflake import refusing_snowflake

#: Lines on stderr: the paragraph, and what a command has to say on its way.
MOST_LINES = 12
#: A server, all of the platform on a sample, and a command that reads neither settings nor data: they have tests of their own.
RUN_ON = {"metrics", "demo", "init"}
#: Large examples made small, and one that connects instead of one that only prints.
SMALL = {
    "sample": "sample --days 1 --orders-per-day 5",
    "doctor": "doctor",
    "compare": "compare {folder}/compare.yaml",
    "warehouse init": "warehouse init",
}
COMPARISON = """
name: orders
key: [id]
columns: {id: {type: integer}}
clickhouse: {table: orders_realtime}
snowflake: {table: STAGING.ORDERS_ENHANCED}
"""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each command's name, and a command line by which it runs: that of its example."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        words = (*path, name)
        inner = getattr(command, "commands", None)
        if inner is not None:
            yield from commands(command, words)
        if inner is None or command.invoke_without_command:
            yield " ".join(words), example(" ".join(words), command)


def example(name: str, command: Any) -> str:
    epilog = command.epilog or ""
    shown = epilog.split("`")[1] if "`" in epilog else f"ecommerce-platform {name}"
    return SMALL.get(name, shown.partition("ecommerce-platform ")[2])


COMMANDS = dict(commands(typer.main.get_command(app)))


@dataclass
class Installation:
    """A folder with a landing zone of one empty day."""

    folder: Path
    environment: pytest.MonkeyPatch

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self.environment.setenv(f"ECOMMERCE_{name}", str(value))

    def run(self, command_line: str) -> Result:
        return CliRunner().invoke(app, shlex.split(command_line.format(folder=self.folder)))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    made = Installation(tmp_path, monkeypatch)
    made.set(DATA_DIR=made.data, SNOWFLAKE__LOGIN_TIMEOUT_SECONDS=1)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "compare.yaml").write_text(COMPARISON)
    (made.data / "landing" / "orders" / "date=2026-01-01").mkdir(parents=True)
    yield made
    made.environment.undo()


@contextmanager
def server_down(installation: Installation) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nowhere(installation, "127.0.0.1", port)
    yield


def nowhere(installation: Installation, host: str, port: int) -> None:
    installation.set(
        SNOWFLAKE__ACCOUNT="somewhere",
        SNOWFLAKE__HOST=host,
        SNOWFLAKE__PORT=port,
        SNOWFLAKE__PROTOCOL="http",
        SNOWFLAKE__PASSWORD="not to be shown",
        CLICKHOUSE__HOST=host,
        CLICKHOUSE__PORT=port,
        CLICKHOUSE__PASSWORD="not to be shown",
    )


@contextmanager
def unknown_host(installation: Installation) -> Iterator[None]:
    nowhere(installation, "no-such-host.invalid", 9)
    yield


@contextmanager
def missing_grant(installation: Installation) -> Iterator[None]:
    with refusing_snowflake() as port:
        nowhere(installation, "127.0.0.1", port)
        yield


@contextmanager
def corrupt_catalog(installation: Installation) -> Iterator[None]:
    nowhere(installation, "127.0.0.1", 9)
    (installation.data / "catalog.db").write_bytes(os.urandom(8192))
    yield


@contextmanager
def catalog_cannot_be_opened(installation: Installation) -> Iterator[None]:
    """A folder in its place: the superuser, whom tests may be, may write to every file."""
    nowhere(installation, "127.0.0.1", 9)
    (installation.data / "catalog.db").mkdir()
    yield


@contextmanager
def catalog_server_down(installation: Installation) -> Iterator[None]:
    nowhere(installation, "127.0.0.1", 9)
    installation.set(LAKEHOUSE__CATALOG_URI="postgresql+psycopg2://user:secret@127.0.0.1:9/catalog")
    yield


@contextmanager
def landing_missing(installation: Installation) -> Iterator[None]:
    nowhere(installation, "127.0.0.1", 9)
    shutil.rmtree(installation.data / "landing")
    yield


@contextmanager
def landing_in_a_bucket_that_is_down(installation: Installation) -> Iterator[None]:
    nowhere(installation, "127.0.0.1", 9)
    installation.set(
        LANDING_URI="s3://bucket/landing",
        S3__ENDPOINT="http://127.0.0.1:9",
        S3__ACCESS_KEY_ID="key",
        S3__SECRET_ACCESS_KEY="not to be shown",
    )
    yield


@contextmanager
def data_folder_is_a_file(installation: Installation) -> Iterator[None]:
    nowhere(installation, "127.0.0.1", 9)
    (installation.folder / "file").write_text("")
    installation.set(DATA_DIR=installation.folder / "file" / "data")
    yield


@contextmanager
def full_disk(installation: Installation) -> Iterator[None]:
    """The data folder on a file system without a free byte; the servers are elsewhere, and down."""
    nowhere(installation, "127.0.0.1", 9)
    folder = installation.folder / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    try:
        shutil.copytree(installation.data, folder / "data")
        fill(folder / "ballast")
        installation.set(DATA_DIR=folder / "data")
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096):
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - that the disk is full is what is made here


@contextmanager
def invalid_setting(installation: Installation) -> Iterator[None]:
    installation.set(SNOWFLAKE__PORT="a lot")
    yield


@contextmanager
def invalid_names(installation: Installation) -> Iterator[None]:
    installation.set(SNOWFLAKE__DATABASE='x"; drop table users')
    yield


LAKE = {
    *("ingest", "quarantine list", "quarantine show", "quarantine replay", "refused list", "refused show"),
    *("refused publish", "refused drop"),
}
WAREHOUSE = {
    *(
        "maintenance",
        "restatements",
        "rebuild",
        "sql",
        "warehouse init",
        "reconcile",
        "reconcile plan",
        "explain order",
    ),
    *("backfill plan", "backfill run"),
}
SPEED = {"realtime load", "compare"}
ALL = set(COMMANDS) - RUN_ON - {"contract diff", "contract check"}


@dataclass(frozen=True)
class Trouble:
    """A trouble, the commands that cannot do without what is missing, and words of which each of them says one."""

    make: Callable[[Installation], Any]
    stops: set[str]
    words: tuple[str, ...]


TROUBLES = {
    "invalid setting": Trouble(invalid_setting, ALL, ("ECOMMERCE_SNOWFLAKE__PORT",)),
    "invalid name": Trouble(invalid_names, ALL, ("ECOMMERCE_SNOWFLAKE__DATABASE",)),
    "corrupt catalog": Trouble(corrupt_catalog, LAKE, ("catalog.db",)),
    "catalog that cannot be opened": Trouble(catalog_cannot_be_opened, LAKE, ("catalog.db",)),
    "catalog's server down": Trouble(catalog_server_down, LAKE, ("ECOMMERCE_LAKEHOUSE__CATALOG_URI",)),
    "landing zone missing": Trouble(landing_missing, {"ingest"}, ("/data/landing",)),
    "landing zone's bucket down": Trouble(landing_in_a_bucket_that_is_down, {"ingest"}, ("S3", "s3://bucket/landing")),
    "data folder is a file": Trouble(data_folder_is_a_file, LAKE, ("file/data", "ECOMMERCE_DATA_DIR")),
    "full disk": Trouble(full_disk, {"sample", "local up", "refused list"}, ("full", "No space left")),
    "servers down": Trouble(server_down, WAREHOUSE | SPEED, ("127.0.0.1",)),
    "unknown host": Trouble(unknown_host, WAREHOUSE | SPEED, ("no-such-host.invalid",)),
    "missing grant": Trouble(missing_grant, WAREHOUSE - {"reconcile", "explain order"}, ("privileges",)),
}
#: The others take minutes, most of them waiting for logins.
EVERY_DAY = {("invalid setting", command) for command in COMMANDS} | {("corrupt catalog", command) for command in LAKE}


def matrix() -> Iterator[Any]:
    """Each trouble with each command. Of the commands that it stops, one is in the heavy set; commands that can do without
    what is missing run on, which takes long: with the others, they are tried in the soak."""
    for trouble, what in TROUBLES.items():
        heavy = evenly(sorted(what.stops), 1)
        for command in sorted(set(COMMANDS) - RUN_ON):
            mark = pytest.mark.slow if command in heavy else pytest.mark.soak
            marks = () if (trouble, command) in EVERY_DAY else (mark,)
            yield pytest.param(trouble, command, id=f"{trouble}: {command}", marks=marks)


@pytest.mark.parametrize(("trouble", "command"), matrix())
def test_trouble_ends_in_a_paragraph(installation: Installation, trouble: str, command: str) -> None:
    what = TROUBLES[trouble]
    with what.make(installation):
        result = installation.run(COMMANDS[command])
    message = result.stderr
    shown = f"{command}: exit {result.exit_code}\n{result.output}"
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output, shown
    assert "unexpected" not in message, shown
    assert "not to be shown" not in result.output
    assert len(message.splitlines()) <= MOST_LINES, shown
    if command in what.stops:
        assert result.exit_code in (1, 2), shown
    if result.exit_code and command != "doctor":
        assert "error:" in message, shown
        if command in what.stops:
            assert any(word in message for word in what.words), shown
