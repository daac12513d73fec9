"""Dagster's web server behind the door: `python -m ecommerce_platform.operations.web.server`, with the options of its own.

What belongs here: putting the door in front. What does not: which requests come in (door.py).
"""

from __future__ import annotations

import dagster_webserver.app
from dagster_webserver.cli import main as webserver_main
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from ecommerce_platform.operations.web.door import Door
from ecommerce_platform.settings.sections import OperationsSettings


class GuardedWebserver(DagsterWebserver):
    """Dagster's server whose first middleware is the door."""

    def build_middleware(self) -> list[Middleware]:
        return [Middleware(Door, hosts=_hosts()), *super().build_middleware()]


def _hosts() -> tuple[str, ...]:
    from ecommerce_platform.settings import load_settings

    operations: OperationsSettings = load_settings().operations
    return operations.ui_hosts


def main() -> None:
    """Dagster's own command line; its server is made by the class of that name in its module."""
    dagster_webserver.app.DagsterWebserver = GuardedWebserver  # type: ignore[misc]
    webserver_main()


if __name__ == "__main__":
    main()
