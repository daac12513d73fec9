"""Starting, finding and ending the servers of a data directory.

What belongs here: the life of the server processes, seen from the processes that use them. What does not: the servers
themselves (snowflake_server.py, clickhouse_server.py, spark/engine_server.py) and clients.

Any number of processes may ask at once: one starts the server, the others wait for it. A server is detached from its
starter and lives until `down`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ecommerce_platform.stand_ins.server_state import (
    POLL_SECONDS,
    STAND_INS,
    EmbeddedServerError,
    ServerFiles,
    ServerKind,
    ServerState,
)

START_SECONDS = 90.0
STOP_SECONDS = 15.0
#: A killed process frees its memory before its lock, which takes seconds where other work fills the machine.
KILL_SECONDS = 60.0
LOG_LINES_IN_ERRORS = 15
_LOG_BYTES_IN_ERRORS = 65_536
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Endpoint:
    """Where a stand-in listens, and the password that it asks for (any user name will do)."""

    host: str
    port: int
    password: str = field(repr=False)


@dataclass(frozen=True)
class ServerStatus:
    """What is known of one server: `endpoint` and `pid` are None when it does not run."""

    kind: ServerKind
    running: bool
    endpoint: Endpoint | None
    pid: int | None
    log: Path

    def __str__(self) -> str:
        if self.endpoint is None:
            return f"{self.kind}: not running"
        return f"{self.kind}: {self.endpoint.host}:{self.endpoint.port}, process {self.pid}, log {self.log}"


def ensure_snowflake(data_dir: Path, port: int = 0) -> Endpoint:
    """Address of the data directory's Snowflake stand-in, started when none runs.

    `port` asks for a fixed port when it must be started; 0 takes a free one. Raises EmbeddedServerError with the last lines
    of the server's log when it does not become ready.
    """
    return ensure(ServerFiles(_absolute(data_dir), ServerKind.SNOWFLAKE), port)


def ensure_clickhouse(data_dir: Path, port: int = 0) -> Endpoint:
    """Address of the data directory's ClickHouse stand-in, started when none runs; see ensure_snowflake."""
    return ensure(ServerFiles(_absolute(data_dir), ServerKind.CLICKHOUSE), port)


def ensure_all(data_dir: Path) -> dict[ServerKind, Endpoint]:
    """Addresses of both stand-ins, started side by side where they do not run."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        snowflake = pool.submit(ensure_snowflake, data_dir)
        clickhouse = pool.submit(ensure_clickhouse, data_dir)
        return {ServerKind.SNOWFLAKE: snowflake.result(), ServerKind.CLICKHOUSE: clickhouse.result()}


def status(data_dir: Path) -> list[ServerStatus]:
    """Whether each server of the data directory runs, and where."""
    states = []
    for files in _all_files(data_dir):
        state = files.running_state()
        endpoint = _endpoint(files, state) if state else None
        states.append(
            ServerStatus(files.kind, state is not None, endpoint, state.pid if state else None, files.log_path)
        )
    return states


def down(data_dir: Path) -> list[ServerKind]:
    """End the servers of the data directory and wait until they are gone; returns those that ran.

    Raises EmbeddedServerError when one survives SIGKILL, or runs without having recorded its process id.
    """
    return [files.kind for files in _all_files(data_dir) if files.run_dir.is_dir() and _end(files)]


def _all_files(data_dir: Path) -> Iterable[ServerFiles]:
    """Of the stand-ins, and of what else was ever started in the folder."""
    every = [ServerFiles(_absolute(data_dir), kind) for kind in ServerKind]
    return [files for files in every if files.kind in STAND_INS or files.lock_path.exists()]


def _absolute(data_dir: Path) -> Path:
    return Path(data_dir).expanduser().resolve()


def ensure(
    files: ServerFiles, port: int = 0, module: str | None = None, before_start: Callable[[], None] = lambda: None
) -> Endpoint:
    """Address of this server, started when it does not run, from `module` after `before_start`; see ensure_snowflake."""
    endpoint = _answering(files)
    if endpoint is None:
        with files.starting(START_SECONDS):
            endpoint = _answering(files)
            if endpoint is None:
                before_start()
                endpoint = _start(files, port, module or f"ecommerce_platform.stand_ins.{files.kind}_server")
    if port and endpoint.port != port:
        raise EmbeddedServerError(
            f"the {files.kind.label} of {files.data_dir} runs on port {endpoint.port}, not on {port} as asked; "
            "end it with `ecommerce-platform local down`, or ask for no fixed port"
        )
    return endpoint


def _endpoint(files: ServerFiles, state: ServerState) -> Endpoint:
    return Endpoint(state.host, state.port, files.token())


def _answering(files: ServerFiles) -> Endpoint | None:
    """The endpoint of a server that lives and answers; one that lives but is still starting is waited for."""
    deadline = time.monotonic() + START_SECONDS
    while files.is_held():
        state = files.read_state()
        if state is not None and _responds(state):
            return _endpoint(files, state)
        if time.monotonic() >= deadline:
            raise EmbeddedServerError(
                f"the {files.kind.label} of {files.data_dir} runs but does not answer; end it with "
                f"`ecommerce-platform local down`. Its log ends with:\n{_log_tail(files)}"
            )
        time.sleep(POLL_SECONDS)
    return None


def _start(files: ServerFiles, port: int, module: str) -> Endpoint:
    with files.log_path.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [
                *(sys.executable, "-m", module),
                *("--data-dir", str(files.data_dir), "--port", str(port)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=files.run_dir,
            env=_server_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = files.read_state()
        if state is not None and state.pid == process.pid and _responds(state):
            return _endpoint(files, state)
        if process.poll() is not None:
            raise EmbeddedServerError(
                f"the {files.kind.label} of {files.data_dir} ended while starting (exit code {process.returncode}). "
                f"Its log ends with:\n{_log_tail(files, log_start)}"
            )
        time.sleep(POLL_SECONDS)
    process.kill()
    process.wait()
    raise EmbeddedServerError(
        f"the {files.kind.label} of {files.data_dir} was not ready after {START_SECONDS:.0f} s and was ended. "
        f"Its log ends with:\n{_log_tail(files, log_start)}"
    )


def _server_environment() -> dict[str, str]:
    """This process's environment without the platform's settings: a stand-in needs none of their secrets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ECOMMERCE_")}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE_PARENT), kept.get("PYTHONPATH")]))
    return kept


def _responds(state: ServerState) -> bool:
    connection = http.client.HTTPConnection(state.host, state.port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def stopped(files: ServerFiles) -> Iterator[None]:
    """While the context lasts the stand-in does not run, and nobody can start it."""
    files.prepare()
    with files.starting(START_SECONDS):
        _end_held(files)
        yield


def _end(files: ServerFiles) -> bool:
    with files.starting(START_SECONDS):
        return _end_held(files)


def _end_held(files: ServerFiles) -> bool:
    if not files.is_held():
        files.state_path.unlink(missing_ok=True)
        return False
    state = files.read_state()
    if state is None:
        if _released_within(files, STOP_SECONDS):  # it was ending already
            return True
        raise EmbeddedServerError(
            f"a process holds the {files.kind.label}'s lock in {files.run_dir} but recorded no process id: it was "
            "started by hand and is not ready yet; try again"
        )
    # The lock is held by the process that wrote the state; a file that names another process is another's work.
    if state.process and not state.is_its_process():
        raise EmbeddedServerError(
            f"{files.state_path} names process {state.pid}, which is not the {files.kind.label} that wrote it; nothing "
            f"was ended. End the process that holds {files.lock_path} by hand, then remove the file"
        )
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, number)
        if _released_within(files, seconds):
            files.state_path.unlink(missing_ok=True)
            return True
    raise EmbeddedServerError(f"the {files.kind.label} (process {state.pid}) does not end; end it by hand")


def _released_within(files: ServerFiles, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while files.is_held():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _log_tail(files: ServerFiles, start: int = 0) -> str:
    try:
        with files.log_path.open("rb") as log:
            log.seek(max(start, files.log_path.stat().st_size - _LOG_BYTES_IN_ERRORS))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(lines[-LOG_LINES_IN_ERRORS:]) or "(nothing)"
