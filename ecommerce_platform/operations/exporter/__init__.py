"""The metrics exporter: reads Dagster's event log and the platform's own tables, serves `/metrics`. Nothing is pushed to it.

events.py reads, facts.py says what was read, tally.py adds it up (pure), tables.py asks the platform's tables, exposition.py puts
it into Prometheus' words, server.py serves.
"""
