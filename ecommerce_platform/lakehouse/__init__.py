"""Change events into Iceberg: decode, de-duplicate, quarantine, audit, publish.

What belongs here: everything between a landing file and a published day of an event table, and the ledger that says which
days are published. What does not: noticing that files arrived (landing), and whatever reads published days (analytics,
warehouse).
"""
