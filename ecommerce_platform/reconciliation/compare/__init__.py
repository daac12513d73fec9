"""The reconciliation for any two tables: one in ClickHouse, one in Snowflake, described by a small YAML file.

What belongs here: the file (config.py), the two sides (sides.py), verdicts on rows (verdicts.py), the comparison (run.py), its
results as rows and JSON (results.py). What does not: orders, tiers, lag and convergence, which are the shop's.
"""
