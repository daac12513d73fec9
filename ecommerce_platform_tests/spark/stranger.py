"""Somebody who can reach a Spark driver's port and speaks Spark's protocol, but is none of its executors.

Run as a script with the driver's host and port: prints `let in` when the driver answers a call, else `refused` and why.
"""

from __future__ import annotations

import sys


def call(host: str, port: int) -> str:
    """What comes of asking the driver for one of its endpoints, from a JVM of one's own, without its secret."""
    from py4j.protocol import Py4JJavaError
    from pyspark.java_gateway import launch_gateway

    gateway = launch_gateway()
    jvm = gateway.jvm
    conf = jvm.org.apache.spark.SparkConf(False)
    for name, value in {"spark.rpc.lookupTimeout": "20s", "spark.rpc.askTimeout": "20s"}.items():
        conf.set(name, value)
    names = getattr(getattr(jvm.org.apache.spark.internal.config, "package$"), "MODULE$")
    security = jvm.org.apache.spark.SecurityManager(conf, jvm.scala.Option.empty(), names.AUTH_SECRET_FILE())
    environment = jvm.org.apache.spark.rpc.RpcEnv.create("stranger", "127.0.0.1", 0, conf, security, True)
    try:
        reference = environment.setupEndpointRef(jvm.org.apache.spark.rpc.RpcAddress(host, port), "HeartbeatReceiver")
        return f"let in: {reference.toString()}"
    except Py4JJavaError as error:
        return f"refused: {error.java_exception.toString()}"
    finally:
        environment.shutdown()
        gateway.shutdown()


if __name__ == "__main__":
    print(call(sys.argv[1], int(sys.argv[2])))
