"""The Spark server of a data folder: a JVM with Spark, and a gateway to it for each process that attaches.

What belongs here: the server process: the JVM's life, who is attached, and what is ended with whom. What does not: attaching
(engine.py).

    python -m ecommerce_platform.spark.engine_server --data-dir data     # the platform starts it itself

A process asks over HTTP with the data folder's token and keeps its connection; it gets port and secret of a Py4J gateway and a
session of its own. With the connection the gateway ends, and all jobs, cached frames and objects of that session.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from logging.handlers import RotatingFileHandler
from types import FrameType
from typing import Any

from pyspark.sql import SparkSession

from ecommerce_platform.spark.engine import ServerPlan
from ecommerce_platform.spark.session import start_jvm
from ecommerce_platform.stand_ins.access import Gate
from ecommerce_platform.stand_ins.server_process import HttpServer, run_server
from ecommerce_platform.stand_ins.server_state import ServerFiles, ServerKind

_log = logging.getLogger(__name__)
APP_NAME = "ecommerce-platform"
_LOG_BYTES = 5 * 2**20
#: How long a new process waits until a killed one's work has ended.
_WAIT_SECONDS = 60.0
#: Work that has not ended by then is ended with the JVM, when nobody else uses it.
_CANCEL_SECONDS = 20.0
_END_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LONGEST_REQUEST = 4096
_JVM_OPTIONS = "spark.driver.extraJavaOptions"


class Attached:
    """What the JVM holds for one process: a gateway and a session, of which the SQL cache and the listeners are its own."""

    def __init__(self, root: SparkSession) -> None:
        jvm: Any = root.sparkContext._jvm
        self._context = root.sparkContext._jsc.sc()
        self._session = jvm.org.apache.spark.sql.classic.SparkSession(self._context, jvm.java.util.HashMap())
        self.secret = secrets.token_urlsafe(32)
        builder = getattr(jvm, "py4j.ClientServer$ClientServerBuilder")(self._session)
        loopback = jvm.java.net.InetAddress.getByName("127.0.0.1")
        self._gateway = builder.authToken(self.secret).javaPort(0).javaAddress(loopback).build()
        self._gateway.startServer()
        java_server = self._gateway.getJavaServer()
        self.port: int = java_server.getListeningPort()
        connections = jvm.java.lang.Class.forName("py4j.GatewayServer").getDeclaredField("connections")
        connections.setAccessible(True)
        self._connections = connections.get(java_server)

    def cancel(self) -> bool:
        """Cancels its jobs; whether none of its threads is at work any more."""
        self._session.interruptAll()
        return int(self._connections.size()) == 0

    def close(self) -> None:
        self._gateway.shutdown()
        self._session.catalog().clearCache()
        listener = self._session.sharedState().statusStore().listener()
        if listener.isDefined():
            self._context.removeSparkListener(listener.get())


class Engine:
    """The JVM, and the processes that are attached."""

    def __init__(self, plan: ServerPlan) -> None:
        self._plan = plan
        self._changed = threading.Condition()
        self._active = self._ending = 0
        self._idle_since = time.monotonic()
        self._over = threading.Event()
        os.environ["JAVA_HOME"] = plan.java_home
        process = start_jvm(APP_NAME, plan.options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=_copy_to_log, args=(process,), daemon=True).start()
        builder = SparkSession.builder.appName(APP_NAME)
        for name, value in plan.options.items():
            builder = builder.config(name, value)
        self._root, self._process = builder.getOrCreate(), process

    def warm_up(self) -> None:
        """Loads what every step needs, while whoever started the server has other things to do."""
        started = time.monotonic()
        self._root.sql("select id % 7 as k, sum(id) as s from range(1000) group by 1 order by 1").collect()
        _log.info("warm after %.1f s", time.monotonic() - started)

    def wait_until_over(self) -> None:
        """Returns when nobody has been attached for the idle time, or when the JVM is gone or of no use any more."""
        while not self._over.wait(_POLL_SECONDS):
            if self._process.poll() is not None:
                _log.error("the JVM ended with exit code %s", self._process.returncode)
                self.end()
            with self._changed:
                idle = time.monotonic() - self._idle_since
                if not self._active and not self._ending and idle >= self._plan.idle_seconds:
                    _log.info("not used for %.0f s; ending", idle)
                    self._over.set()

    def end(self) -> None:
        self._over.set()
        with self._changed:
            self._changed.notify_all()

    def admit(self, fingerprint: str) -> HTTPStatus:
        """Whether a process with these settings may attach; OK counts it as attached."""
        with self._changed:
            ready = self._changed.wait_for(lambda: not self._ending or self._over.is_set(), _WAIT_SECONDS)
            if self._over.is_set():
                return HTTPStatus.GONE
            if not ready:
                return HTTPStatus.SERVICE_UNAVAILABLE
            if fingerprint != self._plan.fingerprint:
                if self._active:
                    return HTTPStatus.CONFLICT
                _log.info("started with other settings than are asked for; ending")
                self._over.set()
                return HTTPStatus.GONE
            self._active += 1
            return HTTPStatus.OK

    def open(self) -> Attached:
        return Attached(self._root)

    def leave(self, attached: Attached | None) -> None:
        """Ends what was opened for a process that is gone."""
        with self._changed:
            self._active -= 1
            self._ending += 1
        try:
            if attached is not None and not self._over.is_set():
                self._end_work(attached)
        except Exception:  # noqa: BLE001 - whatever it is, a new JVM is without it
            _log.exception("what a process left cannot be cleared; ending")
            self.end()
        finally:
            with self._changed:
                self._ending -= 1
                self._idle_since = time.monotonic()
                self._changed.notify_all()

    def _end_work(self, attached: Attached) -> None:
        deadline, alone = time.monotonic() + _CANCEL_SECONDS, True
        while not attached.cancel():
            with self._changed:
                alone = not self._active
            if alone and time.monotonic() > deadline:
                _log.error(
                    "work of a process that is gone goes on after %.0f s; ending the JVM with it", _CANCEL_SECONDS
                )
                self.end()
                return
            if self._over.wait(_POLL_SECONDS):
                return
        attached.close()
        _log.info("a process has left")
        if alone:
            # Frees the files of shuffles and the memory that nobody refers to any more.
            self._root.sparkContext._jvm.java.lang.System.gc()  # type: ignore[union-attr]

    def close(self) -> None:
        """Ends the JVM: it ends with its standard input."""
        self.end()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Handler(BaseHTTPRequestHandler):
    """One process's connection, which lasts as long as the process is attached."""

    engine: Engine
    gate: Gate

    def do_GET(self) -> None:
        self._answer(HTTPStatus.OK if self.path == "/ping" else HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if refusal := self.gate.refusal(self.headers.get("Host"), self.headers.get("Origin")):
            self._answer(HTTPStatus.FORBIDDEN, refusal)
            return
        if not self.gate.admits((self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            self._answer(HTTPStatus.UNAUTHORIZED, "expected the token in the file run/token of the data folder")
            return
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/attach" or length > _LONGEST_REQUEST:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        status = self.engine.admit(self.rfile.read(length).decode())
        if status is HTTPStatus.OK:
            self._hold()
        elif status is HTTPStatus.SERVICE_UNAVAILABLE:
            self._answer(status, "the work of a process that was killed has not ended yet; try again in a minute")
        else:
            self._answer(status)

    def _hold(self) -> None:
        attached = None
        try:
            attached = self.engine.open()
            opened = {"port": attached.port, "secret": attached.secret, "pid": os.getpid()}
            self._answer(HTTPStatus.OK, json.dumps(opened))
            self.wfile.flush()
            # Nothing is ever sent: this returns when the process is gone.
            self.connection.settimeout(None)
            self.rfile.read(1)
        except ConnectionError:
            pass
        finally:
            self.engine.leave(attached)

    def _answer(self, status: HTTPStatus, text: str = "") -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, *_: object) -> None:
        """The engine logs what matters."""


def serve(files: ServerFiles, listener: socket.socket, gate: Gate, ready: Callable[[], None]) -> None:
    """Serve Spark until SIGTERM, the idle time, or the end of the JVM."""
    log = RotatingFileHandler(files.log_path, maxBytes=_LOG_BYTES, backupCount=1)
    log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[log], level=logging.INFO, force=True)
    logging.getLogger("py4j").setLevel(logging.ERROR)
    # What a killed server left there.
    for left in files.storage_dir.iterdir():
        shutil.rmtree(left, ignore_errors=True)
    plan = ServerPlan.read(files)
    plan.options.setdefault("spark.local.dir", str(files.storage_dir))
    # After an error for lack of memory nobody knows what state Spark is in; the next process gets a new JVM.
    plan.options[_JVM_OPTIONS] += " -XX:+ExitOnOutOfMemoryError"
    started = time.monotonic()
    engine = Engine(plan)
    _log.info("started in %.1f s, heap %s", time.monotonic() - started, plan.options["spark.driver.memory"])

    def stop(_signal: int, _frame: FrameType | None) -> None:
        engine._over.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server = HttpServer(listener, type("Handler", (_Handler,), {"engine": engine, "gate": gate}))
    threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
    threading.Thread(target=engine.warm_up, daemon=True).start()
    ready()
    try:
        engine.wait_until_over()
    finally:
        # From here on, a process that asks waits for the end of this one.
        server.shutdown()
        server.server_close()
        engine.close()


def _copy_to_log(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        _log.info("%s", line.decode(errors="replace").rstrip())


if __name__ == "__main__":
    sys.exit(run_server(ServerKind.SPARK, serve))
