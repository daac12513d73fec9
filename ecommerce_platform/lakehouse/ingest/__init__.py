"""An ingestion: scan, write to a branch, audit, publish, for all days of a table.

What belongs here: the steps of an ingestion and the tables that it writes. What does not: what a day's files mean (decode), what
is published (days), and Dagster (assets.py).
"""
