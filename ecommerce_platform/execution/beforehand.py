"""Libraries that a later step of a run needs, imported while earlier steps wait for Spark or a server.

What belongs here: the thread that imports. What does not: what a step needs (its room's resource says so).

Definitions load without dbt, Snowflake's connector and matplotlib, which take seconds to import; a run would pay for them in the
step that comes to them first. A step that needs a module meanwhile waits for it as for any import, and an import that fails is
tried again by the step, which reports it.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from importlib import import_module

_modules: deque[str] = deque()
_lock = threading.Lock()
_importer: threading.Thread | None = None


def import_beforehand(*modules: str) -> threading.Thread:
    """Begins to import `modules`, after what was asked for before; returns the thread that does.

    One thread for all, so that no two of ours can meet in modules that import each other.
    """
    global _importer
    with _lock:
        _modules.extend(modules)
        if _importer is None:
            # Not a daemon: what a library does while it is imported is not to be stopped at the end of the process.
            _importer = threading.Thread(target=_import_all, name="imports")
            _importer.start()
        return _importer


def _import_all() -> None:
    global _importer
    while True:
        with _lock:
            if not _modules or not threading.main_thread().is_alive():
                _importer = None
                return
            module = _modules.popleft()
        with suppress(Exception):
            import_module(module)
