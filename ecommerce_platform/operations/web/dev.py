"""`dg dev` whose web server stands behind the door: `python -m ecommerce_platform.operations.web.dev`, with its own options.

What belongs here: which module is started as the web server, and what to do where there is nothing to see. What does not: the
server (server.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagster._cli import dev
from dagster_dg_cli.cli.dev import dev_command

from ecommerce_platform.next_commands import demo_command
from ecommerce_platform.operations.web import server
from ecommerce_platform.settings import SettingsError, load_settings

_start = dev.open_ipc_subprocess


def start_guarded(parts: Sequence[str], **options: Any) -> Any:
    """Starts one of the processes of `dg dev`; in the place of its web server the guarded one."""
    return _start([server.__name__ if part == "dagster_webserver" else part for part in parts], **options)


def nothing_to_see(landing_uri: str) -> str:
    """How to get data, where the landing zone is a folder without a file; empty where there is one, or where it is on S3."""
    if "://" in landing_uri and not landing_uri.startswith("file://"):
        return ""
    landing = Path(landing_uri.removeprefix("file://"))
    if landing.is_dir() and any(path.is_file() for path in landing.rglob("*")):
        return ""
    return (
        f"There is nothing to see yet: {landing} has no files. `{demo_command()}`, in another terminal, puts a sample shop "
        "through the whole layer, and the pages show it as it comes; for your own files set ECOMMERCE_LANDING_URI and start again"
    )


def main() -> None:
    """Dagster's own command."""
    try:
        if hint := nothing_to_see(load_settings().landing_uri):
            print(hint, file=sys.stderr, flush=True)
    except SettingsError as error:
        raise SystemExit(f"error: {error}") from None
    dev.open_ipc_subprocess = start_guarded
    dev_command()


if __name__ == "__main__":
    main()
