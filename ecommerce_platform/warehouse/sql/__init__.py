"""Snowflake as a database: connections, time limits of statements, conditions and queries as SQL text.

What belongs here: what any statement needs. What does not: which tables there are (schema) and what fills them (load).
"""
