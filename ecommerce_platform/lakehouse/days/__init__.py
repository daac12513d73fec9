"""The days of a table: the ledger of what is published, branches, and the move that publishes them.

What belongs here: days and snapshots. What does not: the files in landing (arrived) and the rows in them (decode, ingest).
"""
