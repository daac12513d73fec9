"""What Py4J writes of calls that the end of the JVM breaks."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

#: A call to a JVM that is gone, in a process that was asked to end, or was not.
CALL = """
import sys
from py4j.java_gateway import GatewayParameters, JavaGateway
from ecommerce_platform.execution import ending
from ecommerce_platform.spark.interrupts import drop_words_on_broken_calls

port, asked = int(sys.argv[1]), sys.argv[2]
drop_words_on_broken_calls()
drop_words_on_broken_calls()
if asked:
    ending._asked = ending.signal.Signals[asked]
gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
try:
    gateway.jvm.java.lang.System.currentTimeMillis()
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("asked", ["", signal.SIGTERM.name, signal.SIGINT.name])
def test_a_call_that_the_end_breaks_writes_a_traceback_only_when_nobody_asked_for_the_end(asked: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:

        def end_at_once() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = gone.accept()
                    connection.recv(1)
                    connection.close()

        threading.Thread(target=end_at_once, daemon=True).start()
        command = [sys.executable, "-c", CALL, str(gone.getsockname()[1]), asked]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == "Py4JError"
    assert ("Traceback" in ended.stderr) == (not asked), ended.stderr
