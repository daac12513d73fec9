"""The stand-ins as somebody else on the machine, or a page in the user's browser, would try to use them."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.access import Gate, read_or_create_token
from ecommerce_platform.stand_ins.server_state import STAND_INS, EmbeddedServerError, ServerFiles, ServerKind
from ecommerce_platform.stand_ins.servers import Endpoint
from ecommerce_platform_tests.stand_ins.conftest import connect_clickhouse, connect_snowflake


def _ask(
    endpoint: Endpoint, method: str, path: str, body: bytes = b"", password: str | None = None, **headers: str
) -> tuple[int, bytes]:
    """A plain request; without a password unless one is given. Underscores in header names stand for hyphens."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if password is not None:
        sent["X-ClickHouse-Key"] = password
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=30)
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _login(endpoint: Endpoint, password: str, **parameters: str) -> dict[str, Any]:
    body = json.dumps({"data": {"LOGIN_NAME": "x", "PASSWORD": password, "SESSION_PARAMETERS": parameters}})
    status, answer = _ask(endpoint, "POST", "/session/v1/login-request", body.encode())
    assert status == 200
    return dict(json.loads(answer))


def test_the_data_directory_and_its_token_are_closed_to_other_users(data_dir: Path) -> None:
    servers.ensure_all(data_dir)
    token = data_dir / "run" / "token"
    assert len(token.read_text()) >= 32
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    for folder in (data_dir, data_dir / "run", data_dir / "snowflake", data_dir / "clickhouse"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    for kind in STAND_INS:
        assert stat.S_IMODE(ServerFiles(data_dir, kind).state_path.stat().st_mode) == 0o600
    assert token.read_text() not in repr(servers.ensure_clickhouse(data_dir))
    assert token.read_text() not in str(servers.status(data_dir))


def test_processes_that_ask_for_the_token_at_once_get_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: read_or_create_token(tmp_path), range(32)))
    assert len(tokens) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("password", [None, "", "guess", "default"])
def test_clickhouse_answers_nobody_without_the_password(data_dir: Path, password: str | None) -> None:
    endpoint = servers.ensure_clickhouse(data_dir)
    for method, path in (("GET", "/?query=" + quote("select 1")), ("POST", "/?password=x"), ("POST", "/?user=default")):
        status, answer = _ask(endpoint, method, path, b"select 1" if method == "POST" else b"", password)
        assert (status, b"AUTHENTICATION_FAILED" in answer) == (403, True)
    assert _ask(endpoint, "GET", "/ping") == (200, b"Ok.\n")


def test_clickhouse_takes_the_password_in_each_of_the_interfaces_ways(data_dir: Path) -> None:
    endpoint = servers.ensure_clickhouse(data_dir)
    assert _ask(endpoint, "POST", "/", b"select 1", endpoint.password) == (200, b"1\n")
    assert _ask(endpoint, "POST", f"/?password={endpoint.password}", b"select 1") == (200, b"1\n")
    with connect_clickhouse(data_dir, username="anybody") as client:  # by Basic authentication
        assert client.command("select 1") == 1


@pytest.mark.parametrize("password", ["", "guess", "local"])
def test_snowflake_lets_nobody_in_without_the_password(data_dir: Path, password: str) -> None:
    endpoint = servers.ensure_snowflake(data_dir)
    assert _login(endpoint, password)["success"] is False
    assert _login(endpoint, endpoint.password)["success"] is True


def test_a_session_of_snowflake_cannot_choose_another_database_file(data_dir: Path, tmp_path: Path) -> None:
    endpoint = servers.ensure_snowflake(data_dir)
    assert _login(endpoint, endpoint.password, FAKESNOW_DB_PATH=str(tmp_path))["success"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_staged_only_through_a_signed_address(data_dir: Path) -> None:
    endpoint = servers.ensure_snowflake(data_dir)
    path = "/fs_bucket/ECOMMERCE_DW/RAW/LOAD_STAGE/planted.parquet"
    for address in (path, f"{path}?key=guess"):
        assert _ask(endpoint, "PUT", address, b"planted")[0] == 403
    with connect_snowflake(data_dir) as session:
        assert session.cursor().execute("list @raw.load_stage/planted.parquet").fetchall() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "attacker.example:8123"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
    ],
)
def test_a_web_page_is_refused_even_with_the_password(data_dir: Path, headers: dict[str, str]) -> None:
    clickhouse, snowflake = servers.ensure_clickhouse(data_dir), servers.ensure_snowflake(data_dir)
    assert _ask(clickhouse, "POST", "/", b"select 1", clickhouse.password, **headers)[0] == 403
    login = json.dumps({"data": {"PASSWORD": snowflake.password, "SESSION_PARAMETERS": {}}}).encode()
    assert _ask(snowflake, "POST", "/session/v1/login-request", login, **headers)[0] == 403


def test_names_under_which_a_server_may_be_called_are_stated() -> None:
    gate = Gate.of("token", ["platform-clickhouse.ecommerce.svc"])
    for host in ("127.0.0.1:8123", "localhost", "[::1]:8123", "Platform-ClickHouse.ecommerce.svc:8123"):
        assert gate.refusal(host, None) is None, host
    for host in (None, "", "platform", "ecommerce.svc", "[::2]:8123", "127.0.0.1:8123.attacker.example"):
        assert gate.refusal(host, None) is not None, host
    assert gate.admits("token")
    assert not gate.admits(None)
    assert "token" not in repr(gate)


@pytest.mark.parametrize(
    "statement",
    [
        "create table made (a Int64) engine = Memory",
        "insert into function file('x.csv') select 1",
        "drop table versions",
    ],
)
def test_a_get_never_writes(data_dir: Path, clickhouse: Client, statement: str) -> None:
    clickhouse.command("create table if not exists versions (id Int64) engine = MergeTree order by id")
    endpoint = servers.ensure_clickhouse(data_dir)
    status, answer = _ask(endpoint, "GET", "/?query=" + quote(statement), password=endpoint.password)
    assert (status, b"ACCESS_DENIED" in answer) == (500, True)
    assert clickhouse.command("exists table made") == 0
    assert clickhouse.command("exists table versions") == 1
    assert _ask(endpoint, "GET", "/?query=" + quote("select 2"), password=endpoint.password) == (200, b"2\n")


def test_a_statement_that_nobody_waits_for_is_ended_and_ping_tells_the_truth(
    clickhouse: Client, data_dir: Path
) -> None:
    endless = "select count() from numbers(1000000000000) where sipHash64(number) = 1"
    started = time.monotonic()
    with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
        clickhouse.query(endless, settings={"max_execution_time": 1})
    assert time.monotonic() - started < 20
    assert _ask(servers.ensure_clickhouse(data_dir), "GET", "/ping") == (200, b"Ok.\n")
    limit = clickhouse.command("select getSetting('max_execution_time')")
    assert 0 < float(str(limit)) <= 600


def test_down_ends_only_the_process_that_it_started(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    servers.ensure_clickhouse(folder)
    files = ServerFiles(folder, ServerKind.CLICKHOUSE)
    original = files.state_path.read_text()
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        files.state_path.write_text(json.dumps(json.loads(original) | {"pid": victim.pid}))
        with pytest.raises(
            EmbeddedServerError, match=f"names process {victim.pid}, which is not the clickhouse stand-in"
        ):
            servers.down(folder)
        assert victim.poll() is None
    finally:
        files.state_path.write_text(original)
        victim.kill()
        victim.wait()
        assert servers.down(folder) == [ServerKind.CLICKHOUSE]


def test_a_server_takes_its_password_from_the_environment_where_a_secret_holds_it(tmp_path: Path) -> None:
    module = "ecommerce_platform.stand_ins.clickhouse_server"
    options = ["--data-dir", str(tmp_path), "--password-from", "GIVEN", "--name", "clickhouse.svc"]
    command = [sys.executable, "-m", module, *options]
    empty = subprocess.run(
        command, env=os.environ | {"GIVEN": ""}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (empty.returncode, "variable GIVEN is empty" in empty.stderr) == (1, True)
    process = subprocess.Popen(command, env=os.environ | {"GIVEN": "from a secret"}, stderr=subprocess.DEVNULL)
    try:
        files, deadline = ServerFiles(tmp_path, ServerKind.CLICKHOUSE), time.monotonic() + 30
        while (state := files.running_state()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        endpoint = Endpoint(state.host, state.port, "")
        assert _ask(endpoint, "POST", "/", b"select 1", "from a secret", Host="clickhouse.svc") == (200, b"1\n")
        assert _ask(endpoint, "POST", "/", b"select 1", "another", Host="clickhouse.svc")[0] == 403
    finally:
        process.terminate()
        process.wait(timeout=30)
