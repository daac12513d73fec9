"""The two layers as a reconciliation asks them: Snowflake's marts and ClickHouse's order versions.

What belongs here: queries, types and connections of both sides, and their figures side by side. What does not: verdicts.
"""
