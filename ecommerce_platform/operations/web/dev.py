"""`dg dev` whose web server stands behind the door: `python -m ecommerce_platform.operations.web.dev`, with its own options.

What belongs here: which module is started as the web server. What does not: the server (server.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster._cli import dev
from dagster_dg_cli.cli.dev import dev_command

from ecommerce_platform.operations.web import server

_start = dev.open_ipc_subprocess


def start_guarded(parts: Sequence[str], **options: Any) -> Any:
    """Starts one of the processes of `dg dev`; in the place of its web server the guarded one."""
    return _start([server.__name__ if part == "dagster_webserver" else part for part in parts], **options)


def main() -> None:
    """Dagster's own command."""
    dev.open_ipc_subprocess = start_guarded
    dev_command()


if __name__ == "__main__":
    main()
