"""The Spark server of a data folder, seen from the processes that use it.

What belongs here: starting and finding the server, and this process's hold on it. What does not: the server (engine_server.py),
and a JVM of this process's own (session.py).

The server is a JVM with Spark that is warm already. A process attaches to it by Py4J, PySpark's own way to a JVM, through a
gateway that the server opens for this process alone: all that PySpark can do works, in a session of the process's own. The hold
is a connection. When it closes, even because the process was killed, the server ends what the process had it do.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from py4j.protocol import ERROR, Py4JNetworkError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ecommerce_platform.iceberg.s3_options import hadoop_s3_options
from ecommerce_platform.spark.class_archive import archive_path
from ecommerce_platform.spark.jars import default_jars_dir, ensure_jars
from ecommerce_platform.spark.java import require_java
from ecommerce_platform.spark.options import SparkApplication, application_options, spark_home
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.server_state import EmbeddedServerError, ServerFiles, ServerKind

_log = logging.getLogger(__name__)
MODULE = "ecommerce_platform.spark.engine_server"
#: What a server's code is made of, beside PySpark.
_CODE = ("engine_server.py", "log4j2.properties", "spark_submit.sh")
#: Variables that the JVM itself reads.
_READ_BY_JVM = ("AWS_", "HADOOP_", "JAVA_", "JDK_", "SPARK_")
#: Of these, what a process sets when it uses Spark: asking before and after must give one server.
_SET_WITH_SPARK = ("JAVA_HOME", "SPARK_HOME", "SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE")
#: Longer than a server makes a new process wait for the end of a killed one's work.
ANSWER_SECONDS = 90.0
_ATTEMPTS = 50
_PAUSE_SECONDS = 0.2
#: From a broken connection to the JVM until the end of the server has shown itself.
_LOST_SECONDS = 5.0


class SparkServerError(EmbeddedServerError):
    """The data folder's Spark server does not admit this process; the message says why and what to do."""


class SparkServerLostError(Py4JNetworkError):
    """The server ended while this process used it; the message says where its log is and what to do."""


@dataclass(frozen=True)
class ServerPlan:
    """What a server is started with. `fingerprint` differs for everything that a running server could not take over."""

    options: dict[str, str]
    java_home: str
    idle_seconds: float
    fingerprint: str

    @classmethod
    def of(cls, application: SparkApplication, groups: frozenset[str] | None, token: str) -> ServerPlan:
        jars = ensure_jars(default_jars_dir(application.spark), groups or application.jar_groups)
        java_home = str(require_java().executable.resolve().parent.parent)
        parts = {
            # Without the archive of classes, which a running server does not need any more.
            "options": application_options(application, ()),
            "jars": str(archive_path(jars)),
            "s3": hadoop_s3_options(application.s3) if application.s3 else {},
            "homes": (java_home, spark_home()),
            "environment": {
                name: text
                for name, text in os.environ.items()
                if name.startswith(_READ_BY_JVM) and name not in _SET_WITH_SPARK
            },
            "code": [hashlib.sha256((Path(__file__).parent / name).read_bytes()).hexdigest() for name in _CODE],
            "idle": application.spark.server_idle_seconds,
        }
        # Keyed, as credentials are in it.
        digest = hmac.new(token.encode(), json.dumps(parts, sort_keys=True, default=str).encode(), "sha256")
        options = application_options(application, jars)
        return cls(options, java_home, application.spark.server_idle_seconds, digest.hexdigest())

    @classmethod
    def read(cls, files: ServerFiles) -> ServerPlan:
        return cls(**json.loads(_plan_path(files).read_text()))

    def write(self, files: ServerFiles) -> None:
        with os.fdopen(os.open(_plan_path(files), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)


def _plan_path(files: ServerFiles) -> Path:
    return files.run_dir / "spark.options.json"


@dataclass
class _Hold:
    """This process's hold on a server: a connection that lasts."""

    files: ServerFiles
    pid: int
    socket: socket.socket
    gone: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        with suppress(OSError):
            self.socket.recv(1)
        self.gone.set()

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.gone.wait()
        self.socket.close()

    def lost(self) -> SparkServerLostError:
        return SparkServerLostError(
            f"the Spark server of {self.files.data_dir} (process {self.pid}) ended while this step used it: it was killed, or "
            f"ran out of memory (ECOMMERCE_SPARK__DRIVER_MEMORY); its log is {self.files.log_path}. What was published stays: "
            "run the step again, which starts another server"
        )


_hold: _Hold | None = None


def attached() -> bool:
    """Whether this process's Spark is a server's."""
    return _hold is not None


def ensure(application: SparkApplication, groups: frozenset[str] | None = None) -> servers.Endpoint:
    """Address of the data folder's server, started when none runs. Raises EmbeddedServerError, JavaError, JarError."""
    return _ensure(_files(application), application, groups)[0]


def begin(application: SparkApplication) -> None:
    """Starts the server in the background, so that it is warm when a step needs it."""

    def start() -> None:
        # Whoever needs it meets the same error, and reports it.
        with suppress(Exception):
            ensure(application)

    if application.spark.engine == "server" and application.spark.launcher == "local":
        threading.Thread(target=start, name="spark-server", daemon=True).start()


def attach(application: SparkApplication, groups: frozenset[str] | None = None) -> SparkSession | None:
    """A session of this process's own in the data folder's server, started when none runs.

    None when the server that runs was started with other settings and is in use. Raises SparkServerError when none admits this
    process, and what `ensure` raises.
    """
    global _hold
    files = _files(application)
    for _ in range(_ATTEMPTS):
        endpoint, plan = _ensure(files, application, groups)
        try:
            connection, status, text = _ask(endpoint, plan.fingerprint)
        except (OSError, http.client.HTTPException):
            # It was just ending.
            time.sleep(_PAUSE_SECONDS)
            continue
        if status == HTTPStatus.OK:
            opened = json.loads(text)
            _hold = _Hold(files, opened["pid"], connection)
            threading.Thread(target=_hold.watch, name="spark-server-hold", daemon=True).start()
            try:
                return _session_of(opened["port"], opened["secret"], _hold)
            except BaseException:
                detach()
                raise
        connection.close()
        if status == HTTPStatus.CONFLICT:
            _log.warning(
                "the Spark server of %s is in use and was started with other settings; this process starts a JVM of its own",
                files.data_dir,
            )
            return None
        if status != HTTPStatus.GONE:
            raise SparkServerError(f"the Spark server of {files.data_dir} answers: {text}")
        time.sleep(_PAUSE_SECONDS)
    raise SparkServerError(
        f"the Spark server of {files.data_dir} ended {_ATTEMPTS} times while this process asked for it; its log is "
        f"{files.log_path}. ECOMMERCE_SPARK__ENGINE=process does without it"
    )


def detach() -> None:
    """Gives the server back; it ends what is still at work for this process."""
    global _hold
    if _hold is None:
        return
    hold, _hold = _hold, None
    context, gateway = SparkContext._active_spark_context, SparkContext._gateway
    hold.close()
    with suppress(Exception):
        if context is not None:
            context._accumulatorServer.shutdown()
        if gateway is not None:
            gateway.close()
    SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
    SparkSession._instantiatedSession = None


def detach_if_lost() -> None:
    """Forgets a server that is gone, so that the next session is another one's."""
    if _hold is not None and _hold.gone.is_set():
        detach()


def _files(application: SparkApplication) -> ServerFiles:
    return ServerFiles(Path(application.data_dir).expanduser().resolve(), ServerKind.SPARK)


def _ensure(
    files: ServerFiles, application: SparkApplication, groups: frozenset[str] | None
) -> tuple[servers.Endpoint, ServerPlan]:
    files.prepare()
    plan = ServerPlan.of(application, groups, files.token())
    return servers.ensure(files, module=MODULE, before_start=lambda: plan.write(files)), plan


def _ask(endpoint: servers.Endpoint, fingerprint: str) -> tuple[socket.socket, int, str]:
    """Asks to be attached: the connection (the hold, when it is granted), the HTTP status, and the first line of the answer."""
    request = (
        f"POST /attach HTTP/1.0\r\nHost: {endpoint.host}\r\nAuthorization: Bearer {endpoint.password}\r\n"
        f"Content-Length: {len(fingerprint)}\r\n\r\n{fingerprint}"
    )
    connection = socket.create_connection((endpoint.host, endpoint.port), ANSWER_SECONDS)
    try:
        connection.sendall(request.encode())
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        text = answer.readline().decode(errors="replace").strip()
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    return connection, answer.status, text


def _session_of(port: int, secret: str, hold: _Hold) -> SparkSession:
    with _gateway_at(port, secret):
        gateway = launch_gateway()
    _name_the_loss(gateway._gateway_client, hold)
    SparkContext._ensure_initialized(gateway=gateway)
    opened: Any = gateway.entry_point
    java_context = gateway.jvm.JavaSparkContext.fromSparkContext(opened.sparkContext())
    conf = SparkConf(_jconf=java_context.sc().conf())
    return SparkSession(SparkContext(conf=conf, gateway=gateway, jsc=java_context), opened)


@contextmanager
def _gateway_at(port: int, secret: str) -> Iterator[None]:
    """PySpark takes the address of a gateway from the environment, where it must not stay: children would inherit it."""
    names = {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": secret}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]


def _name_the_loss(client: Any, hold: _Hold) -> None:
    """A call that fails because the server is gone says so, instead of what Py4J says of its sockets."""
    send = client.send_command

    def send_command(command: str, retry: bool = True, binary: bool = False) -> Any:
        try:
            answer = send(command, retry, binary)
        except (Py4JNetworkError, OSError) as error:
            if hold.gone.wait(_LOST_SECONDS):
                raise hold.lost() from error
            raise
        if answer == ERROR and hold.gone.wait(_LOST_SECONDS):
            raise hold.lost()
        return answer

    client.send_command = send_command
