"""Files by which the processes of one data directory find a running server of it.

What belongs here: the lock that a server holds while it lives, and the file that names its address. What does not: starting
and ending servers (servers.py), and what they serve.

Whether a server lives is asked of the lock alone, which the operating system releases with the process: a stale file, a
reused process id and a restart of the machine are all "not running".
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO

from ecommerce_platform.stand_ins.access import read_or_create_token

POLL_SECONDS = 0.05
#: Locks are not closed by us: whoever sees one free may rely on its process being gone.
_held_until_exit: list[IO[str]] = []


class EmbeddedServerError(RuntimeError):
    """A stand-in cannot be started, reached or ended; the message says what to do."""


class ServerKind(StrEnum):
    """The servers of a data directory; the value names their files and their folder in it."""

    SNOWFLAKE = "snowflake"
    CLICKHOUSE = "clickhouse"
    SPARK = "spark"

    @property
    def label(self) -> str:
        """How messages call it."""
        return "Spark server" if self is ServerKind.SPARK else f"{self.value} stand-in"


#: Those that every data directory has.
STAND_INS = (ServerKind.SNOWFLAKE, ServerKind.CLICKHOUSE)


@dataclass(frozen=True)
class ServerState:
    """A ready server's address, as it recorded it itself; `process` tells its process from a later one with the same id."""

    pid: int
    host: str
    port: int
    started: str
    process: str = ""

    def is_its_process(self) -> bool:
        """Whether the process with this id is still the one that recorded the state."""
        return process_start(self.pid) == self.process


def process_start(pid: int) -> str:
    """When the operating system started the process, in the system's own words; empty when there is no such process."""
    try:
        # The name in parentheses may hold anything; the start is the 22nd field (proc(5)).
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        listed = subprocess.run(  # noqa: S603 (a fixed program and a number)
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return listed.stdout.strip()


@dataclass(frozen=True)
class ServerFiles:
    """Where one kind of server of one data directory keeps its data, state, lock and log."""

    data_dir: Path
    kind: ServerKind

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def storage_dir(self) -> Path:
        return self.data_dir / self.kind.value

    @property
    def state_path(self) -> Path:
        return self.run_dir / f"{self.kind.value}.json"

    @property
    def log_path(self) -> Path:
        return self.run_dir / f"{self.kind.value}.log"

    @property
    def lock_path(self) -> Path:
        return self.run_dir / f"{self.kind.value}.lock"

    def prepare(self) -> None:
        """Create the folders, closed to other users.

        Raises EmbeddedServerError naming the folder when this user cannot write there.
        """
        for folder in (self.data_dir, self.run_dir, self.storage_dir):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                # What lies here are people's names and addresses. A folder of another owner is that owner's affair.
                if folder.stat().st_uid == os.geteuid():
                    folder.chmod(0o700)
            except OSError as error:
                raise EmbeddedServerError(
                    f"cannot create {folder} ({error.strerror}); set ECOMMERCE_DATA_DIR to a folder that you may write"
                ) from error
            if not os.access(folder, os.W_OK):
                raise EmbeddedServerError(
                    f"{folder} cannot be written by this user; set ECOMMERCE_DATA_DIR to a folder that you may write"
                )

    def token(self) -> str:
        """The password of all servers of this data directory."""
        return read_or_create_token(self.run_dir)

    def read_state(self) -> ServerState | None:
        """The recorded state, whether or not its server still lives."""
        try:
            return ServerState(**json.loads(self.state_path.read_text()))
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None

    def running_state(self) -> ServerState | None:
        """The state of a server that lives and is ready, else None."""
        return self.read_state() if self.is_held() else None

    def write_state(self, host: str, port: int) -> None:
        """Record this process as the ready server; readers see the old file or the new one, never half of one."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        state = ServerState(os.getpid(), host, port, now, process_start(os.getpid()))
        draft = self.state_path.with_suffix(f".{os.getpid()}.tmp")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(state), file)
        draft.replace(self.state_path)

    def is_held(self) -> bool:
        """Whether a live process holds the server's lock."""
        try:
            with self._open("lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one server of this folder until this process ends; the state file is there in the block only.

        Raises EmbeddedServerError when another process serves the folder.
        """
        self.prepare()
        lock = self._open("lock", create=True)
        _held_until_exit.append(lock)
        # Probes of is_held take the lock for an instant, so one refusal is not proof.
        if not _lock_within(lock, seconds=2.0):
            state = self.read_state()
            who = f"process {state.pid} on {state.host}:{state.port}" if state else "another process"
            raise EmbeddedServerError(
                f"{self.storage_dir} is already served by {who}; use that one, or end it with "
                "`ecommerce-platform local down`"
            )
        self.state_path.unlink(missing_ok=True)
        try:
            yield
        finally:
            self.state_path.unlink(missing_ok=True)

    @contextmanager
    def starting(self, seconds: float) -> Iterator[None]:
        """Be the only process that starts or ends this server; others wait here.

        Raises EmbeddedServerError when another process keeps starting it for longer than `seconds`.
        """
        self.prepare()
        with self._open("start.lock", create=True) as lock:
            if not _lock_within(lock, seconds):
                raise EmbeddedServerError(
                    f"another process has been starting the {self.kind.label} of {self.data_dir} for {seconds:.0f} s; "
                    f"look at {self.log_path}"
                )
            yield

    def _open(self, suffix: str, *, create: bool = False) -> IO[str]:
        return (self.run_dir / f"{self.kind.value}.{suffix}").open("a+" if create else "r+")


def _lock_within(lock: IO[str], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True
