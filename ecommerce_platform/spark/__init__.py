"""How a Spark step runs: Java, jars, the session, and where a step's process lives (launchers).

What belongs here: everything that is the same for whoever uses Spark. What does not: Iceberg's catalog (iceberg/), tables and
transformations (lakehouse/, analytics/). Nothing is imported here, so that a step without Spark does not load PySpark.
"""
