"""How Spark writes rows into an Iceberg table: by the partition that they are of, one file at a time.

What belongs here: options of such a writer. What does not: what is written, and the properties of its commit.

By itself Iceberg keeps a file open for each partition that a task has met. A backfill of a thousand days held some hundred files
in each task, 2 MB each, and ended out of memory. With its clustered writer a task has one file open; rows must come partition by
partition then, and Iceberg asks Spark to sort those that do not.
"""

from __future__ import annotations

CLUSTERED = {"fanout-enabled": "false"}
