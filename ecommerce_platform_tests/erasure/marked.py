"""A person whose personal values all hold one text that nothing else has.

What belongs here: choosing and marking. What does not: looking for the text (search.py).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MARKER = "QzXwMarkedPerson"
PERSONAL = ("email", "first_name", "last_name", "shipping_address")


def mark(path: Path, key: int) -> int:
    """Writes the marker into the personal values of the person's rows; how many rows."""
    rows = pq.read_table(path)
    column = "user_id" if "user_id" in rows.column_names else "id"
    hers = [str(value).split(".")[0] == str(key) for value in rows.column(column).to_pylist()]
    for name in (name for name in PERSONAL if name in rows.column_names):
        values = rows.column(name).to_pylist()
        marked = [
            f"{MARKER} {value}" if is_hers and value and not value.startswith("__") else value
            for value, is_hers in zip(values, hers, strict=True)
        ]
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, rows.schema.field(number), pa.array(marked, rows.schema.field(number).type))
    if any(hers):
        pq.write_table(rows, path)
    return sum(hers)


def busiest(landing: Path) -> int:
    """The user with the most events of orders."""
    orders: Counter[int] = Counter()
    for path in sorted(landing.glob("orders/date=2026-01-0[123]/*.parquet")):
        orders.update(key for key in pq.read_table(path).column("user_id").to_pylist() if isinstance(key, int))
    return orders.most_common(1)[0][0]
