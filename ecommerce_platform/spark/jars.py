"""The jars that Spark needs beside its own: which, how they are checked, and how they get here.

What belongs here: names, versions, checksums, and the download by Apache Ivy, which ships with PySpark and follows the
machine's own Ivy or Maven settings. What does not: the session that uses them.

A jar is read in full once, to check its SHA-256; a stamp beside it (size and modification time) makes later checks cheap.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ecommerce_platform.settings import SettingsError, SparkSettings, load_settings
from ecommerce_platform.spark.java import JavaError, require_java

CORE = "core"
S3 = "s3"
ALL_GROUPS = frozenset({CORE, S3})


class JarError(RuntimeError):
    """A jar is missing, cannot be fetched, or is not the one that was pinned."""


@dataclass(frozen=True)
class Jar:
    """One pinned jar: Maven coordinates, SHA-256, size in MB (10^6 bytes), and the group of those who need it."""

    organisation: str
    artifact: str
    revision: str
    sha256: str
    megabytes: int
    group: str = CORE

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.revision}.jar"

    @property
    def coordinates(self) -> str:
        return f"{self.organisation}:{self.artifact}:{self.revision}"


PINNED = (
    Jar(
        "org.apache.iceberg",
        "iceberg-spark-runtime-4.1_2.13",
        "1.11.0",
        "d6ea6c5d099288daeb7d5a92061bd3d7d8f296492632b42378e5f2f0e3066242",
        48,
    ),
    Jar(
        "org.xerial", "sqlite-jdbc", "3.50.3.0", "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08", 15
    ),
    Jar(
        "org.postgresql", "postgresql", "42.7.8", "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7", 1
    ),
    Jar(
        "org.apache.iceberg",
        "iceberg-aws-bundle",
        "1.11.0",
        "38f01da7e96850cdd05e6616d758b77b43314b712a8808e3f9a824d56976162f",
        64,
        S3,
    ),
    Jar(
        "org.apache.hadoop",
        "hadoop-aws",
        "3.4.2",
        "d2d24e6b715b5656b9d238bf13b6682a07e2004dd36aad74a73aeb854319f4d9",
        1,
        S3,
    ),
    # The bundle lacks the transfer manager that S3A starts up with.
    Jar(
        "software.amazon.awssdk",
        "s3-transfer-manager",
        "2.44.4",
        "dbcad736b19f6eb8471f9edf027d9fffe994228f25f415894efd01fd80cb6c02",
        1,
        S3,
    ),
)


def default_jars_dir(spark: SparkSettings) -> Path:
    """`ECOMMERCE_SPARK__JARS_DIR`, else a folder of the user's cache, which all clones share."""
    if spark.jars_dir:
        return Path(spark.jars_dir).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "ecommerce-platform" / "jars"


def ensure_jars(
    jars_dir: Path, groups: frozenset[str] = ALL_GROUPS, pinned: tuple[Jar, ...] = PINNED
) -> tuple[Path, ...]:
    """Paths of the pinned jars of `groups` in `jars_dir`, fetched when missing, each checked by SHA-256.

    Raises JarError naming the jar when it cannot be fetched or differs from what is pinned, JavaError without Java.
    """
    jars = [jar for jar in pinned if jar.group in groups]
    if not all(is_verified(jars_dir, jar) for jar in jars):
        jars_dir.mkdir(parents=True, exist_ok=True)
        with _only_one_process(jars_dir):
            _fetch_missing(jars_dir, [jar for jar in jars if not (jars_dir / jar.file_name).exists()])
            for jar in jars:
                if not is_verified(jars_dir, jar):
                    verify(jars_dir, jar)
    return tuple(jars_dir / jar.file_name for jar in jars)


def jar_paths(jars_dir: Path, groups: frozenset[str] = ALL_GROUPS) -> tuple[Path, ...]:
    """Where the pinned jars of `groups` lie in `jars_dir`, unchecked: for a command that runs in a container of the image."""
    return tuple(jars_dir / jar.file_name for jar in PINNED if jar.group in groups)


def is_verified(jars_dir: Path, jar: Jar) -> bool:
    """Whether the jar is there and unchanged since its SHA-256 was last found right."""
    path = jars_dir / jar.file_name
    try:
        stamp = json.loads(_stamp_path(path).read_text())
        return bool(stamp == _stamp(path, jar))
    except (OSError, ValueError):
        return False


def verify(jars_dir: Path, jar: Jar) -> None:
    """Reads the whole jar and stamps it as right. Raises JarError when it is not what was pinned."""
    path = jars_dir / jar.file_name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != jar.sha256:
        raise JarError(
            f"{path} is not the pinned {jar.coordinates}: its SHA-256 is {digest}, expected {jar.sha256}. "
            "Delete the file and run the command again; if it happens again, the repository serves another file."
        )
    _stamp_path(path).write_text(json.dumps(_stamp(path, jar)))


def _fetch_missing(jars_dir: Path, missing: list[Jar]) -> None:
    """Downloads these jars beside each other, and says how much that is. Raises JarError for the first that cannot be fetched."""
    if not missing:
        return
    names = ", ".join(f"{jar.artifact} {jar.megabytes} MB" for jar in missing)
    print(f"setup: fetching {sum(jar.megabytes for jar in missing)} MB of jars ({names})", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(len(missing)) as pool:
        list(pool.map(partial(fetch, jars_dir), missing))


#: How long one jar may take in all; the largest has 500 MB.
FETCH_SECONDS = 1800


def fetch(jars_dir: Path, jar: Jar) -> None:
    """Downloads one jar with Ivy into `jars_dir`. Raises JarError with what Ivy said."""
    command = [
        str(require_java().executable),
        "-jar",
        str(_ivy_jar()),
        # Of its own: Ivy does not lock its cache, and jars are fetched beside each other.
        *("-cache", str(jars_dir / "ivy-cache" / jar.artifact)),
        *("-dependency", jar.organisation, jar.artifact, jar.revision),
        *("-notransitive", "-confs", "default", "-types", "jar"),
        *("-retrieve", str(jars_dir / "[artifact]-[revision].[ext]")),
    ]
    try:
        answer = subprocess.run(  # noqa: S603 - pinned names only
            command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise JarError(
            f"{jar.coordinates} was not fetched into {jars_dir} within {FETCH_SECONDS} s. Check the way to your Maven repository "
            f"(~/.ivy2, ~/.m2, proxy), or put the file there yourself: {jar.file_name} with SHA-256 {jar.sha256}."
        ) from None
    if answer.returncode != 0 or not (jars_dir / jar.file_name).exists():
        reason = why_not_fetched(answer.stdout + answer.stderr)
        raise JarError(
            f"{jar.coordinates} could not be fetched into {jars_dir} ({reason}). Check the way to "
            "your Maven repository (~/.ivy2, ~/.m2, proxy), or put the file there yourself: "
            f"{jar.file_name} with SHA-256 {jar.sha256}."
        )


def why_not_fetched(printed: str) -> str:
    """The reason in what Ivy printed."""
    if "PKIX path building failed" in printed:
        return (
            "Java does not trust the certificate of the Maven repository; behind a proxy with a certificate of its own, add "
            "that to Java's key store: Debian's update-ca-certificates does so with ca-certificates-java"
        )
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    reasons = [line for line in lines if "UNRESOLVED" in line or "not found" in line or "rror" in line]
    return " | ".join(dict.fromkeys(reasons)) or "Ivy gave no reason"


def _ivy_jar() -> Path:
    import pyspark  # imported here: the check of stamped jars needs no PySpark

    candidates = sorted((Path(pyspark.__file__).parent / "jars").glob("ivy-*.jar"))
    if not candidates:
        raise JarError("PySpark's folder jars/ holds no ivy-*.jar; install pyspark as requirements.lock pins it.")
    return candidates[-1]


def _stamp_path(path: Path) -> Path:
    return path.with_suffix(".verified.json")


def _stamp(path: Path, jar: Jar) -> dict[str, object]:
    stat = path.stat()
    return {"sha256": jar.sha256, "size": stat.st_size, "modified": stat.st_mtime_ns}


@contextmanager
def _only_one_process(jars_dir: Path) -> Iterator[None]:
    with (jars_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """`python -m ecommerce_platform.spark.jars [core]`: what `make setup` calls; with `core`, without the jars for S3."""
    try:
        ensure_jars(default_jars_dir(load_settings().spark), frozenset(sys.argv[1:]) or ALL_GROUPS)
    except (JarError, JavaError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
