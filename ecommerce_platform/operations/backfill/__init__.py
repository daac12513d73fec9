"""Days computed again, or for the first time: what a backfill would do (days.py, rates.py, plan.py), and doing it (launch.py).

The ledgers say how far a day has come, never Dagster's partition status: a partition is green when its step has run, and not
only when its day is published.
"""
