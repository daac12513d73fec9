"""Iceberg: the catalog, the tables' metadata files, and which installation a warehouse belongs to.

What belongs here: what any Iceberg table needs, whoever reads or writes it. What does not: a session of Spark (spark), and what
the platform's tables mean (lakehouse, analytics).
"""
