"""Finds the Java runtime that Spark needs.

What belongs here: where Java is, whether it is new enough, and what to install. What does not: anything that starts Spark.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MINIMUM_VERSION = 17
INSTALL_HINT = (
    "install openjdk-17-jre-headless (Debian, Ubuntu: apt), java-17-openjdk-headless (Fedora: dnf) "
    "or openjdk@17 (macOS: brew), or point JAVA_HOME at a Java 17 or newer"
)

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


class JavaError(RuntimeError):
    """No Java runtime, or one that is too old; the message says what to install."""


@dataclass(frozen=True)
class Java:
    """A Java runtime: its executable, its major version, and what `java -version` prints."""

    executable: Path
    version: int
    version_output: str


def parse_version(text: str) -> int | None:
    """The major version in what `java -version` prints, or None when there is none."""
    match = _VERSION.search(text)
    return int(match[1]) if match else None


@cache
def require_java(java_home: str | None = None) -> Java:
    """The Java of `java_home`, of JAVA_HOME, or of PATH, in this order. Raises JavaError in one sentence."""
    home = java_home or os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not program or not Path(program).exists():
        where = f"JAVA_HOME={home} holds no bin/java" if home else "there is no java on PATH"
        raise JavaError(f"Spark needs Java {MINIMUM_VERSION} or newer and {where}: {INSTALL_HINT}.")
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's Java
    version_output = answer.stderr + answer.stdout
    version = parse_version(version_output)
    if version is None:
        raise JavaError(f"Spark needs Java {MINIMUM_VERSION} or newer and {program} does not start: {INSTALL_HINT}.")
    if version < MINIMUM_VERSION:
        raise JavaError(f"Spark needs Java {MINIMUM_VERSION} or newer, {program} is Java {version}: {INSTALL_HINT}.")
    return Java(Path(program), version, version_output)
