"""The life of the stand-ins: started once, found by all, ended for good."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.server_state import STAND_INS, EmbeddedServerError, ServerFiles, ServerKind
from ecommerce_platform_tests.stand_ins.conftest import connect_clickhouse, connect_snowflake

_ENSURE = """
import sys
from pathlib import Path
from ecommerce_platform.stand_ins import servers
print(getattr(servers, f"ensure_{sys.argv[2]}")(Path(sys.argv[1])).port)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty data directory whose stand-ins are ended after the test."""
    yield tmp_path / "data"
    servers.down(tmp_path / "data")


def _pid(folder: Path, kind: ServerKind) -> int:
    state = ServerFiles(folder, kind).running_state()
    assert state is not None
    return state.pid


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _starter(folder: Path, kind: str = "clickhouse") -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _ENSURE, str(folder), kind], stdout=subprocess.PIPE, text=True)


def test_processes_that_ask_at_once_find_one_server_that_outlives_them(folder: Path) -> None:
    starters = [_starter(folder) for _ in range(4)]
    ports = {starter.communicate(timeout=120)[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 4
    assert ports == {str(servers.ensure_clickhouse(folder).port)}
    assert (folder / "run" / "clickhouse.log").read_text().count("Traceback") == 0


def test_what_is_written_is_there_after_a_restart_and_after_a_kill(folder: Path) -> None:
    servers.ensure_all(folder)
    with connect_snowflake(folder) as session:
        session.cursor().execute("create table raw.kept as select 42 as answer")
        # A default that calls a macro, which fakesnow recreates at each start.
        default = "default to_timestamp_ntz(current_timestamp())"
        session.cursor().execute(f"create table raw.stamped (id number, loaded_at timestamp_ntz {default})")
        session.cursor().execute("create view raw.halved as select answer / 4 as part from raw.kept")
    with connect_clickhouse(folder) as client:
        client.command("create table kept engine = MergeTree order by answer as select 42 as answer")
    assert servers.down(folder) == [ServerKind.SNOWFLAKE, ServerKind.CLICKHOUSE]
    assert [path.name for path in (folder / "snowflake").iterdir()] == ["ECOMMERCE_DW.db"]  # no log left to read again
    servers.ensure_all(folder)
    for kind in STAND_INS:
        os.kill(_pid(folder, kind), signal.SIGKILL)
    _eventually(lambda: not any(server.running for server in servers.status(folder)))
    servers.ensure_all(folder)
    with connect_snowflake(folder) as session:
        rows = session.cursor().execute("select answer, part::varchar from raw.kept, raw.halved").fetchall()
        assert rows == [(42, "10.500000")]
        assert session.cursor().execute("list @raw.load_stage").fetchall() == []
    with connect_clickhouse(folder) as client:
        assert client.command("select answer from kept") == 42


def test_the_platforms_schemas_are_there_from_the_start(data_dir: Path) -> None:
    with connect_snowflake(data_dir) as session:
        names = {row[1] for row in session.cursor().execute("show schemas in database ecommerce_dw").fetchall()}
    assert {"RAW", "STAGING", "INTERMEDIATE", "MARTS", "RECONCILIATION"} <= names


def test_down_ends_both_and_may_be_repeated(folder: Path) -> None:
    servers.ensure_all(folder)
    assert [server.running for server in servers.status(folder)] == [True, True]
    port, pid = servers.ensure_clickhouse(folder).port, _pid(folder, ServerKind.CLICKHOUSE)
    log = folder / "run" / "clickhouse.log"
    assert str(servers.status(folder)[1]) == f"clickhouse: 127.0.0.1:{port}, process {pid}, log {log}"
    assert servers.down(folder) == [ServerKind.SNOWFLAKE, ServerKind.CLICKHOUSE]
    assert [str(server) for server in servers.status(folder)] == ["snowflake: not running", "clickhouse: not running"]
    assert servers.down(folder) == []


def test_down_of_a_folder_that_never_had_servers_makes_nothing(tmp_path: Path) -> None:
    assert servers.down(tmp_path / "never") == []
    assert not (tmp_path / "never").exists()


def test_a_server_that_ignores_sigterm_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers.ensure_clickhouse(folder)
    os.kill(_pid(folder, ServerKind.CLICKHOUSE), signal.SIGSTOP)
    monkeypatch.setattr(servers, "STOP_SECONDS", 1.0)
    assert servers.down(folder) == [ServerKind.CLICKHOUSE]


def test_a_state_file_of_another_life_is_not_believed_and_its_process_not_touched(folder: Path) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        files = ServerFiles(folder, ServerKind.CLICKHOUSE)
        files.prepare()
        state = {"pid": bystander.pid, "host": "127.0.0.1", "port": 1, "started": "2026-01-01T00:00:00+00:00"}
        files.state_path.write_text(json.dumps(state))
        assert servers.status(folder)[1].running is False
        assert servers.down(folder) == []
        files.state_path.write_text("{half")
        assert servers.ensure_clickhouse(folder).port > 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_busy_port_is_named(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedServerError, match=f"port {port} on 127.0.0.1 cannot be used"):
            servers.ensure_clickhouse(folder, port=port)


def test_a_running_server_on_another_port_than_asked_is_named(data_dir: Path) -> None:
    running = servers.ensure_clickhouse(data_dir).port
    with pytest.raises(EmbeddedServerError, match=f"runs on port {running}, not on 1"):
        servers.ensure_clickhouse(data_dir, port=1)


def test_a_folder_that_another_program_has_open_is_named(folder: Path) -> None:
    (folder / "snowflake").mkdir(parents=True)
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    path = folder / "snowflake" / "ECOMMERCE_DW.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(EmbeddedServerError, match=r"snowflake cannot be opened .*another program may have it open"):
            servers.ensure_snowflake(folder)
    finally:
        holder.kill()
        holder.wait()


def test_a_second_server_of_one_folder_is_refused(data_dir: Path) -> None:
    module = "ecommerce_platform.stand_ins.clickhouse_server"
    second = subprocess.run(
        [sys.executable, "-m", module, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"{data_dir / 'clickhouse'} is already served by process" in second.stderr


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(EmbeddedServerError, match=f"cannot create {tmp_path}/data "):
        servers.ensure_clickhouse(tmp_path / "data")


def test_a_server_that_does_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    (folder / "snowflake").mkdir(parents=True)
    (folder / "snowflake" / "ECOMMERCE_DW.db").write_text("this is not a database " * 1000)
    with pytest.raises(EmbeddedServerError, match=r"ended while starting \(exit code 1\)(.|\n)*ECOMMERCE_DW"):
        servers.ensure_snowflake(folder)


def test_a_server_knows_none_of_the_platforms_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_CLICKHOUSE__PASSWORD", "secret")
    servers.ensure_clickhouse(folder)
    environment = Path(f"/proc/{_pid(folder, ServerKind.CLICKHOUSE)}/environ")
    if not environment.exists():
        pytest.skip("no /proc on this system")
    assert b"ECOMMERCE_CLICKHOUSE__PASSWORD" not in environment.read_bytes()


def test_a_server_listens_at_the_address_it_was_given(folder: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ecommerce_platform.stand_ins.clickhouse_server",
            "--data-dir",
            str(folder),
            "--host",
            "0.0.0.0",
        ]
    )
    files = ServerFiles(folder, ServerKind.CLICKHOUSE)
    _eventually(lambda: files.running_state() is not None)
    assert servers.ensure_clickhouse(folder).host == "0.0.0.0"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("kind", STAND_INS)
def test_a_server_ends_with_its_data_directory(folder: Path, kind: ServerKind) -> None:
    module = f"ecommerce_platform.stand_ins.{kind}_server"
    process = subprocess.Popen([sys.executable, "-m", module, "--data-dir", str(folder)], stderr=subprocess.DEVNULL)
    _eventually(lambda: ServerFiles(folder, kind).running_state() is not None)
    shutil.rmtree(folder)
    process.wait(timeout=30)


def test_duckdb_is_the_version_that_the_corrections_were_written_for() -> None:
    assert duckdb.__version__.startswith("2.0.")
