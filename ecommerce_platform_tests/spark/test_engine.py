"""The Spark server of a data folder: shared by processes, closed to others, and without what a killed process left."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from py4j.clientserver import ClientServer, JavaParameters
from py4j.protocol import Py4JError

from ecommerce_platform.execution.ending import descendants
from ecommerce_platform.settings import SettingsError, load_settings
from ecommerce_platform.spark.engine_server import _LOG_BYTES
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.server_state import ServerFiles, ServerKind

_CLIENT = "ecommerce_platform_tests.spark.engine_client"
_IN_TIME = 120.0
_LOOPBACK = "0100007F"
_LISTENS = "0A"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose server the tests share."""
    folder = tmp_path_factory.mktemp("engine") / "data"
    yield folder
    servers.down(folder)


class Client:
    """A process that uses the folder's server."""

    def __init__(self, folder: Path, what: str, **settings: str) -> None:
        environment = {**os.environ, "ECOMMERCE_SPARK__ENGINE": "server", **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", _CLIENT, str(folder), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def says(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"ended with exit code {self.process.wait()}"
        facts: dict[str, Any] = json.loads(line)
        return facts

    def go_on(self) -> int:
        self.process.communicate("\n", timeout=_IN_TIME)
        return self.process.returncode


@contextmanager
def client(folder: Path, what: str, **settings: str) -> Iterator[Client]:
    process = Client(folder, what, **settings)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


def look(folder: Path, **settings: str) -> dict[str, Any]:
    with client(folder, "look", **settings) as process:
        facts = process.says()
        assert process.go_on() == 0
    return facts


def until(condition: Callable[[], object]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + _IN_TIME
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.05)


def files_of(folder: Path) -> ServerFiles:
    return ServerFiles(folder, ServerKind.SPARK)


def server_of(folder: Path) -> int:
    state = files_of(folder).running_state()
    assert state is not None
    return state.pid


def ask(folder: Path, headers: dict[str, str], body: str = "other settings") -> int:
    state = files_of(folder).running_state()
    assert state is not None
    connection = http.client.HTTPConnection(state.host, state.port, timeout=60)
    try:
        connection.request("POST", "/attach", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def listens_at(pids: list[int]) -> list[str]:
    """The addresses, in the kernel's writing, at which these processes listen."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[9] in sockets:
                addresses.append(fields[1].rpartition(":")[0])
    return addresses


@pytest.mark.slow
def test_two_processes_at_once_use_one_jvm_each_in_a_session_of_its_own(folder: Path) -> None:
    with client(folder, "wait") as one, client(folder, "look") as two:
        first, second = one.says(), two.says()
        assert one.says() == {"temporary": ["mine"]}
        assert first["attached"]
        assert second["attached"]
        assert first["jvm"] == second["jvm"]
        assert first["sum"] == second["sum"] == 45
        assert (first["secret"], first["gateway"]) != (second["secret"], second["gateway"])
        assert look(folder)["temporary"] == []
        assert one.go_on() == 0
    assert first["jvm"] in descendants(server_of(folder))


@pytest.mark.slow
def test_a_killed_process_leaves_neither_jobs_nor_cached_rows_nor_its_gateway(folder: Path) -> None:
    with client(folder, "endless") as killed:
        before = killed.says()
        assert killed.says() == {"job": "begins"}
        with client(folder, "wait") as other:
            until(lambda: look(folder)["jobs"] > 0)
            killed.process.kill()
            killed.process.wait()
            after = look(folder)
            assert (after["jobs"], after["cached"]) == (0, 0)
            assert after["jvm"] == before["jvm"]
            # Who was there meanwhile goes on.
            assert other.go_on() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before["gateway"]), 5)


def test_only_who_has_the_token_attaches_and_only_from_this_machine(folder: Path) -> None:
    with client(folder, "wait") as process:
        facts = process.says()
        token = {"Authorization": f"Bearer {files_of(folder).token()}"}
        assert ask(folder, {}) == ask(folder, {"Authorization": "Bearer " + "x" * 43}) == 401
        assert (
            ask(folder, token | {"Origin": "http://127.0.0.1"}) == ask(folder, token | {"Host": "shop.example"}) == 403
        )
        assert ask(folder, token) == 409, "in use by another"
        stranger = ClientServer(JavaParameters(port=facts["gateway"], auth_token="x" * 43))
        with pytest.raises(Py4JError, match="authenticate"):
            stranger.jvm.java.lang.System.currentTimeMillis()
        stranger.close()
        server = server_of(folder)
        addresses = listens_at([server, *descendants(server)])
        assert len(addresses) >= 4  # the server, PySpark's gateway, the process's gateway, Spark's driver
        # Of IPv6, the loopback's IPv4 address in IPv6's writing, or its own.
        assert all(address.endswith(_LOOPBACK) or address == "0" * 24 + "01000000" for address in addresses), addresses
        assert process.go_on() == 0


def test_no_secret_lies_in_log_options_command_line_or_environment(folder: Path) -> None:
    facts = look(folder, ECOMMERCE_S3__SECRET_ACCESS_KEY="not-for-logs", ECOMMERCE_S3__ACCESS_KEY_ID="not-for-logs")
    files, secrets = files_of(folder), (files_of(folder).token(), facts["secret"], "not-for-logs")
    server = server_of(folder)
    texts = [files.log_path.read_text(), (files.run_dir / "spark.options.json").read_text()]
    for pid in (server, facts["jvm"]):
        texts += [Path(f"/proc/{pid}/{name}").read_bytes().decode() for name in ("cmdline", "environ")]
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert (files.run_dir / "spark.options.json").stat().st_mode & 0o077 == 0


def test_its_memory_has_the_limit_of_the_settings_and_its_log_one_of_its_own(folder: Path) -> None:
    with client(folder, "print") as process:
        facts = process.says()
        assert facts["most_memory"] <= 2 * 2**30
        assert process.go_on() == 0
    log = files_of(folder).log_path
    until(
        lambda: (
            log.with_name("spark.log.1").exists()
            and log.stat().st_size + log.with_name("spark.log.1").stat().st_size > _LOG_BYTES
        )
    )
    assert sorted(path.name for path in log.parent.glob("spark.log*")) == ["spark.log", "spark.log.1"]
    assert max(path.stat().st_size for path in log.parent.glob("spark.log*")) <= _LOG_BYTES


def test_it_is_shown_and_ended_with_the_others(folder: Path) -> None:
    jvm = look(folder)["jvm"]
    (shown,) = [str(status) for status in servers.status(folder) if status.kind is ServerKind.SPARK]
    assert shown.startswith("spark: 127.0.0.1:")
    assert f"process {server_of(folder)}" in shown
    assert servers.down(folder) == [ServerKind.SPARK]
    assert not Path(f"/proc/{jvm}").exists()
    assert list(files_of(folder).storage_dir.iterdir()) == []


def test_a_cluster_as_master_has_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_SPARK__ENGINE", "server")
    monkeypatch.setenv("ECOMMERCE_SPARK__MASTER", "k8s://https://cluster")
    with pytest.raises(SettingsError, match=r"expected local\[\*\]"):
        load_settings(data_dir=tmp_path)


@pytest.mark.slow
def test_a_killed_server_is_named_and_the_same_process_goes_on_with_another(folder: Path, tmp_path: Path) -> None:
    shared, folder = look(folder), tmp_path / "data"
    with client(folder, "endless") as process:
        before = process.says()
        assert before["jvm"] != shared["jvm"], "each folder has a server of its own"
        assert process.says() == {"job": "begins"}
        os.kill(before["jvm"], signal.SIGKILL)
        assert "run the step again" in process.says()["lost"]
        after = process.says()
        assert after["attached"]
        assert after["jvm"] != before["jvm"]
        assert after["sum"] == 45
        assert process.go_on() == 0
        # The new one was to end when it is not used.
        until(lambda: not files_of(folder).is_held())
    assert not Path(f"/proc/{after['jvm']}").exists()
    assert "not used for" in files_of(folder).log_path.read_text()


@pytest.mark.slow
def test_what_a_process_sets_when_it_uses_spark_is_not_another_setting(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JAVA_HOME", "SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)
    with client(folder, "begin") as process:
        asked, used, asks_again = process.says(), process.says(), process.says()
        assert process.go_on() == 0
    assert used["attached"]
    assert asks_again == asked
    assert look(folder)["jvm"] == used["jvm"]


@pytest.mark.soak
def test_with_other_settings_there_is_another_server_or_while_it_is_used_a_jvm_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with client(folder, "wait") as process:
        one = process.says()
        own = look(folder, ECOMMERCE_SPARK__DRIVER_MEMORY="1g")
        assert not own["attached"]
        assert own["jvm"] != one["jvm"]
        assert process.go_on() == 0
    two = look(folder, ECOMMERCE_SPARK__DRIVER_MEMORY="1g")
    assert two["attached"]
    assert two["jvm"] != one["jvm"]
    assert two["most_memory"] <= 2**30
    assert servers.down(folder) == [ServerKind.SPARK]
