"""The sample's landing files: which there are, and writing them with all cores.

What belongs here: names and the order of writing. What does not: contents (shop.py, columns.py) and atomic writing
(storage.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import pyarrow as pa

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.sample_shop.landing.columns import landing_table
from ecommerce_platform.sample_shop.landing.delivery import FileSlice
from ecommerce_platform.sample_shop.landing.shop import Shop
from ecommerce_platform.sample_shop.storage import Store

Progress = Callable[[str, int, int], None]
#: Makes the table of a file when its turn comes.
TableMaker = Callable[[], pa.Table]


def landing_tables(shop: Shop) -> dict[str, TableMaker]:
    """Every landing file by its name, with what makes its content."""
    return dict(_files(shop))


def _files(shop: Shop) -> Iterator[tuple[str, TableMaker]]:
    for table, delivery in shop.deliveries.items():
        for file in delivery.files(shop.window):
            name = f"{table}/date={shop.plan.dates[file.day].isoformat()}/{file.name}"
            yield name, _maker(shop, table, file)


def _maker(shop: Shop, table: str, file: FileSlice) -> TableMaker:
    contract = load_contracts()[table]

    def make() -> pa.Table:
        rows = shop.deliveries[table].event[file.begin : file.end]
        return landing_table(contract, shop.events[table].take(rows), shop.form_of(file))

    return make


def write_tables(store: Store, tables: dict[str, TableMaker], step: str, progress: Progress | None) -> dict[str, int]:
    """Makes and writes all tables, and returns the size of each file in bytes. `progress` hears of every file."""

    def write(item: tuple[str, TableMaker]) -> tuple[str, int]:
        name, make = item
        return name, store.write_table(name, make())

    sizes = {}
    with ThreadPoolExecutor(max_workers=cpu_count() or 1) as pool:
        for name, size in pool.map(write, tables.items()):
            sizes[name] = size
            if progress is not None:
                progress(step, len(sizes), len(tables))
    return sizes
