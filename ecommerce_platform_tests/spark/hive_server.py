"""Hive's metastore for tests: the one whose classes PySpark ships, on an embedded Derby database.

What belongs here: starting it, waiting until it answers, ending it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from ecommerce_platform.spark.java import require_java

_DEADLINE_SECONDS = 90


def _site(folder: Path) -> str:
    values = {
        # Its asynchronous logger needs a library that PySpark does not ship.
        "hive.async.log.enabled": "false",
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'database'};create=true",
        "datanucleus.schema.autoCreateAll": "true",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": str(folder / "hive-warehouse"),
    }
    properties = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>" for name, value in values.items()
    )
    return f"<configuration>{properties}</configuration>"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """A metastore with its data in `folder`; its thrift address."""
    folder.mkdir(parents=True)
    (folder / "hive-site.xml").write_text(_site(folder))
    port = _free_port()
    jars = Path(pyspark.__file__).parent / "jars" / "*"
    command = [
        str(require_java().executable),
        "-XX:TieredStopAtLevel=1",
        f"-Dderby.stream.error.file={folder / 'derby.log'}",
        *("-cp", os.pathsep.join([str(folder), str(jars)])),
        *("org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", str(port)),
    ]
    with (folder / "metastore.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not _answers(port):
            assert process.poll() is None, (folder / "metastore.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the metastore does not answer"
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        yield f"thrift://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
