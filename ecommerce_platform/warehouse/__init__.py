"""The warehouse room: a published Iceberg snapshot into Snowflake, once, and Snowflake's own objects.

What belongs here: connections to Snowflake, its objects and their versions, loads of RAW and of STAGING.SPARK_*, queries for
people. What does not: what the rows mean (transformation) and which days are good (lakehouse).
"""
