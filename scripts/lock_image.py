"""Writes the locks of the image's two targets: parts of requirements.lock, with its versions and hashes.

    python scripts/lock_image.py

`requirements-runtime.lock` is the first section of requirements.in with all that it needs; `requirements-embedded.lock` adds the
stand-ins and the server that stands in for S3. `make lock` calls it; scripts/check_lock.py holds the three to each other.
"""

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
EMBEDDED_SECTION = "# The stand-ins of one machine"
CHECKS_SECTION = "# What builds and checks it"
#: Serves S3 for the stand-ins of a cluster; the tests use it, too, so that the checks' section names it.
STAND_IN_OF_S3 = "moto[server]"


def sections() -> dict[str, list[str]]:
    """The requirements of each of the image's locks, by file name."""
    runtime, rest = (PROJECT / "requirements.in").read_text().split(EMBEDDED_SECTION)
    embedded = rest.split(CHECKS_SECTION)[0].split("\n", 1)[1]
    return {
        "requirements-runtime.lock": runtime.splitlines(),
        "requirements-embedded.lock": [*runtime.splitlines(), *embedded.splitlines(), STAND_IN_OF_S3],
    }


def pinned_names(requirements: list[str]) -> list[str]:
    """Names of all packages that the requirements need, directly or not, at the versions of requirements.lock."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "-", "--universal", "--python-version", "3.11"),
        *("--constraints", "requirements.lock", "--no-annotate", "--no-header", "--no-emit-index-url", "--quiet"),
    ]
    answer = subprocess.run(  # noqa: S603 - our own arguments
        command, input="\n".join(requirements), capture_output=True, text=True, check=False, cwd=PROJECT
    )
    if answer.returncode:
        raise SystemExit(f"lock_image: {answer.stderr}")
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", answer.stdout, re.MULTILINE)


def blocks() -> dict[str, list[str]]:
    """requirements.lock in pieces: a package's pins with their hashes, by name. Two pins hold for different machines."""
    lock = (PROJECT / "requirements.lock").read_text()
    pieces: dict[str, list[str]] = {}
    for piece in re.split(r"\n(?=\S)", lock):
        if "==" in piece:
            pieces.setdefault(re.split(r"[=\[]", piece)[0], []).append(piece.rstrip("\n"))
    return pieces


def main() -> None:
    pieces = blocks()
    for name, requirements in sections().items():
        chosen = sorted(set(pinned_names(requirements)))
        (PROJECT / name).write_text("\n".join(pin for package in chosen for pin in pieces[package]) + "\n")


if __name__ == "__main__":
    main()
