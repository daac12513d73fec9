"""The room that holds the speed layer (ClickHouse) against the batch layer (Snowflake): compare, locate, explain, converge."""
