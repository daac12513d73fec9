"""Dagster's web server behind a door: which requests come in.

What belongs here: the door, and starting Dagster's own processes with it. What does not: what the server answers.
"""
