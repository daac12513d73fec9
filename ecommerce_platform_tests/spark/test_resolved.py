"""What PySpark asks its JVM again and again is asked once, and means the same."""

from collections import Counter
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf


def test_a_function_is_looked_up_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = spark.sparkContext._gateway._gateway_client
    commands = Counter[str]()
    send = client.send_command

    def counted(command: str, *arguments: Any, **named: Any) -> Any:
        commands[command[0]] += 1
        return send(command, *arguments, **named)

    def expression() -> str:
        return str(sf.concat(sf.lower(sf.col("name")), sf.lit("1")).cast("string").alias("text"))

    first = expression()
    monkeypatch.setattr(client, "send_command", counted)
    assert expression() == first
    assert commands["c"] > 5
    assert commands["r"] == 0, "a lookup of a class or a function that was looked up before"
    rows = spark.range(3).select((sf.col("id") + sf.lit(1)).alias("n")).agg(sf.sum("n").alias("s")).collect()
    assert rows[0]["s"] == 6


def test_a_function_that_spark_lacks_is_still_an_error(spark: SparkSession) -> None:
    jvm: Any = spark.sparkContext._jvm
    for name in ("functions", "org.apache.spark.sql.functions"):
        with pytest.raises(Exception, match="no_such_function does not exist in the JVM"):
            getattr(getattr(jvm, name), "no_such_function")  # noqa: B009
