"""The platform's objects in Snowflake: their statements, versions, owner, protection and leases.

What belongs here: what exists and who may use it. What does not: rows of the source tables (load).
"""
