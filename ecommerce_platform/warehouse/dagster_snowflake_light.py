"""dagster-snowflake without Snowpark: what a connection needs of it.

What belongs here: how it is imported. What does not: connections (resource.py).

dagster-snowflake imports Snowpark and Snowflake's Python API (`snowflake.core`) for functions that list an account's databases
and open Snowpark sessions. The platform calls none of them, and their import takes longer than the connector's own, in each
process that connects. While dagster-snowflake is imported its names from them are stand-ins, each of which imports what it
stands for when it is used: those functions work as before. A process that has imported any of them before is left as it is.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_LATER = (
    "snowflake.snowpark",
    "snowflake.core",
    *(f"snowflake.core.{name}" for name in ("database", "pipe", "schema", "stage", "table", "view")),
)


class _Name:
    """A name of a module that is imported when something is done with it."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(getattr(import_module(self._module), self._name), attribute)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return getattr(import_module(self._module), self._name)(*arguments, **named)


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name)


_stands_in = not {"dagster_snowflake", *_LATER} & sys.modules.keys()
if _stands_in:
    sys.modules.update({name: _Module(name) for name in _LATER})
try:
    from dagster_snowflake import SnowflakeResource
finally:
    if _stands_in:
        for _name in _LATER:
            del sys.modules[_name]

__all__ = ["SnowflakeResource"]
