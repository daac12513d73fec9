"""A build of the models: one at a time, which days it applies, how dbt runs, and rows that fail a test.

What belongs here: running dbt and its state in the warehouse. What does not: the project on disk (project).
"""
