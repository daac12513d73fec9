"""Spark's functions, looked up in the JVM once instead of at each use.

What belongs here: what Py4J forgets and asks again. What does not: the session (session.py).

PySpark asks the JVM for the class of `functions` and for the function by name each time an expression names a column or a
literal, which is a third of all that a small day says to its JVM. What the answers say never changes.
"""

from __future__ import annotations

from typing import Any

from py4j.java_gateway import JavaClass, JavaMember
from pyspark import SparkContext

#: Each class, and what PySpark calls it beside its full name.
_CLASSES = {
    "org.apache.spark.sql.functions": "functions",
    "org.apache.spark.api.python.PythonUtils": "PythonUtils",
    # Around each method of a column: where in Python it was called, for error messages.
    "org.apache.spark.sql.catalyst.trees.PySparkCurrentOrigin": "PySparkCurrentOrigin",
    "org.apache.spark.sql.classic.SparkSession": "SparkSession",
}


class _Resolved(JavaClass):
    """A class of the JVM that keeps its methods; whatever else it has is asked for again."""

    def __getattr__(self, name: str) -> Any:
        member = super().__getattr__(name)
        if isinstance(member, JavaMember):
            self.__dict__[name] = member
        return member


def keep_resolved(context: SparkContext) -> None:
    """Lets this context's JVM be asked for each of Spark's functions once."""
    gateway, jvm = context._gateway, context._jvm
    assert gateway is not None, "a running context has a gateway"
    for name, short in _CLASSES.items():
        vars(jvm)[name] = vars(jvm)[short] = _Resolved(name, gateway._gateway_client)
