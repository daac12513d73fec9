"""One SQL catalog for a process and its settings: a look-up opens no connection of its own.

What belongs here: keeping PyIceberg's SQL catalogs, and closing them. What does not: their options (catalog.py). Catalogs of
other types keep no connection between two requests, and are made for each look-up.

PyIceberg makes an engine with a pool for each catalog and leaves closing it to whoever made it. Here it is made once, used by
all threads, and closed when the process ends. A forked process forgets its parent's, whose connections it must not touch. On
SQLite nothing is pooled: an open file would outlive a catalog that somebody removed or put back from a copy.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

_Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class _Opened:
    catalog: SqlCatalog
    file: tuple[int, int] | None


_opened: dict[_Key, _Opened] = {}
_lock = threading.RLock()


def sql_catalog(name: str, options: Mapping[str, str]) -> SqlCatalog:
    """The process's catalog with these options, made at first use. Raises what SQLAlchemy raises where it cannot be opened."""
    key = (name, tuple(sorted(options.items())))
    with _lock:
        known = _opened.get(key)
        if known is not None and known.file == _file_of(known.catalog):
            return known.catalog
        if known is not None:
            _opened.pop(key).catalog.close()
        catalog = _open(name, options)
        _opened[key] = _Opened(catalog, _file_of(catalog))
        return catalog


def close_catalogs() -> None:
    """Closes all connections of this process; the next look-up opens new ones."""
    with _lock:
        while _opened:
            _opened.popitem()[1].catalog.close()


def _open(name: str, options: Mapping[str, str]) -> SqlCatalog:
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy import NullPool, create_engine

    # A connection that the database has dropped since it was last used is replaced before it is used.
    catalog = SqlCatalog(name, **{**options, "pool_pre_ping": "true"})
    if catalog.engine.dialect.name == "sqlite":
        url = catalog.engine.url
        catalog.engine.dispose()
        catalog.engine = create_engine(url, poolclass=NullPool)
    return catalog


def _file_of(catalog: SqlCatalog) -> tuple[int, int] | None:
    """Which file a SQLite catalog is kept in now; None for another database, and where the file is gone."""
    url = catalog.engine.url
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    try:
        file_status = Path(url.database).stat()
    except FileNotFoundError:
        return (-1, -1)
    return (file_status.st_dev, file_status.st_ino)


def _forget_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for opened in _opened.values():
        opened.catalog.engine.dispose(close=False)
    _opened.clear()


atexit.register(close_catalogs)
os.register_at_fork(after_in_child=_forget_in_child)
