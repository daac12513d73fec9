"""Tests of the warehouse room, through the embedded Snowflake server."""
