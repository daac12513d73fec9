"""How a Spark step runs: Java, jars, the session, and the Iceberg catalog that Spark and PyIceberg share.

What belongs here: everything that is the same for whoever uses Spark or Iceberg. What does not: tables and transformations
(lakehouse/, analytics/). Nothing is imported here, so that a step without Spark does not load PySpark.
"""
