"""Maintenance of the Iceberg tables: plan and work, orphan files, and whether catalog and warehouse belong together.

What belongs here: what changes no row that readers see. What does not: schedules (operations).
"""
