"""What makes one machine enough: stand-ins for Snowflake and ClickHouse, with their servers.

What belongs here: servers that a laptop or a test starts. What does not: anything that production needs; the rooms
reach the stand-ins through the ordinary clients and know no difference.
"""
