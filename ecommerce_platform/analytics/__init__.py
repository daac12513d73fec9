"""Customer, product and daily analytics by Spark, from the lakehouse's published days into the Iceberg namespace `analytics`.

What belongs here: the three transformations and how their tables are replaced. What does not: the same facts in SQL
(transformation/), and loading the results into Snowflake (warehouse/). What each column means: docs/definitions.md.
"""
