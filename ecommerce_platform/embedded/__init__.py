"""What makes one machine enough: stand-ins for Snowflake and ClickHouse, and a sample shop.

What belongs here: servers that a laptop or a test starts, and made-up data. What does not: anything that production needs;
the rooms reach the stand-ins through the ordinary clients and know no difference.
"""
