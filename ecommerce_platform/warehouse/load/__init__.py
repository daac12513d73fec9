"""Published days into Snowflake: files, statements, ledger, checksums, and the proof that they arrived.

What belongs here: everything that fills RAW and STAGING.SPARK_*. What does not: connections (sql) and objects (schema).
"""
