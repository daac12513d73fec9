from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ecommerce_platform.settings import PROJECT_DIR, load_settings
from ecommerce_platform.spark import jars
from ecommerce_platform.spark.jars import (
    ALL_GROUPS,
    CORE,
    PINNED,
    Jar,
    JarError,
    default_jars_dir,
    ensure_jars,
    is_verified,
    why_not_fetched,
)
from ecommerce_platform.spark.java import JavaError, parse_version, require_java

CONTENT = b"a small jar"
SMALL = Jar("org.example", "small", "1.0", hashlib.sha256(CONTENT).hexdigest(), 1)


def test_a_jar_that_is_there_is_checked_and_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "small-1.0.jar").write_bytes(CONTENT)
    assert ensure_jars(tmp_path, pinned=(SMALL,)) == (tmp_path / "small-1.0.jar",)
    assert is_verified(tmp_path, SMALL)


def test_a_jar_with_another_checksum_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "small-1.0.jar").write_bytes(b"something else")
    with pytest.raises(JarError, match=rf"small-1\.0\.jar is not the pinned org\.example:small:1\.0.*{SMALL.sha256}"):
        ensure_jars(tmp_path, pinned=(SMALL,))


def test_a_jar_that_changes_after_its_check_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "small-1.0.jar"
    path.write_bytes(CONTENT)
    ensure_jars(tmp_path, pinned=(SMALL,))
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(JarError, match="SHA-256"):
        ensure_jars(tmp_path, pinned=(SMALL,))


def test_another_pin_makes_an_old_stamp_worthless(tmp_path: Path) -> None:
    (tmp_path / "small-1.0.jar").write_bytes(CONTENT)
    ensure_jars(tmp_path, pinned=(SMALL,))
    assert not is_verified(tmp_path, Jar("org.example", "small", "1.0", "0" * 64, 1))


def test_only_the_jars_of_the_given_groups_are_requested(tmp_path: Path) -> None:
    (tmp_path / "small-1.0.jar").write_bytes(CONTENT)
    other = Jar("org.example", "other", "1.0", "0" * 64, 1, group="s3")
    assert ensure_jars(tmp_path, frozenset({CORE}), (SMALL, other)) == (tmp_path / "small-1.0.jar",)


def test_missing_jars_are_fetched_in_parallel_and_their_sizes_printed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Jar("org.example", "other", "1.0", SMALL.sha256, 2)
    both = threading.Barrier(2, timeout=30)

    def fetched(folder: Path, jar: Jar) -> None:
        both.wait()  # a download after the other would wait here forever
        (folder / jar.file_name).write_bytes(CONTENT)

    monkeypatch.setattr(jars, "fetch", fetched)
    ensure_jars(tmp_path, pinned=(SMALL, other))
    ensure_jars(tmp_path, pinned=(SMALL, other))
    assert capfd.readouterr().err == "setup: fetching 3 MB of jars (small 1 MB, other 2 MB)\n"


def test_a_jar_that_cannot_be_had_is_named_though_others_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(folder: Path, jar: Jar) -> None:
        if jar is not SMALL:
            raise JarError(f"{jar.coordinates} could not be fetched")
        (folder / jar.file_name).write_bytes(CONTENT)

    monkeypatch.setattr(jars, "fetch", fetched)
    with pytest.raises(JarError, match=r"org\.example:other:1\.0 could not be fetched"):
        ensure_jars(tmp_path, pinned=(SMALL, Jar("org.example", "other", "1.0", SMALL.sha256, 2)))


def test_every_pinned_jar_has_a_checksum_and_a_known_group() -> None:
    assert all(len(jar.sha256) == 64 and jar.group in ALL_GROUPS for jar in PINNED)
    assert len({jar.file_name for jar in PINNED}) == len(PINNED)


def test_the_jars_folder_is_the_setting_or_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ECOMMERCE_SPARK__JARS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_jars_dir(load_settings().spark) == tmp_path / "ecommerce-platform" / "jars"
    monkeypatch.setenv("ECOMMERCE_SPARK__JARS_DIR", str(tmp_path / "mine"))
    assert default_jars_dir(load_settings().spark) == tmp_path / "mine"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21"', 21),
        ("", None),
    ],
)
def test_the_major_version_of_java_is_read_from_what_it_prints(text: str, version: int | None) -> None:
    assert parse_version(text) == version


def test_without_java_the_error_is_one_sentence_that_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(JavaError) as raised:
        require_java(str(tmp_path))
    message = str(raised.value)
    assert "\n" not in message
    assert all(word in message for word in ("openjdk-17-jre-headless", "dnf", "brew", str(tmp_path)))


def test_a_java_that_is_too_old_is_named_with_its_version(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(JavaError, match="is Java 11"):
        require_java(str(tmp_path))


def test_the_image_is_built_with_all_that_fetching_the_jars_imports(tmp_path: Path) -> None:
    """The Dockerfile copies these few files only, so that a change of others does not fetch the jars again."""
    dockerfile = (PROJECT_DIR / "Dockerfile").read_text()
    stage = dockerfile.split("FROM packages AS jars")[1].split("\nRUN ")[0]
    lines = [line.split()[1:] for line in stage.splitlines() if line.startswith("COPY ")]
    assert lines
    for *sources, target in lines:
        folder = tmp_path / target.removeprefix("/build/")
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(PROJECT_DIR / source, folder)
    # An editable installation's finder would find the missing ones in this checkout.
    alone = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in str(f).lower()]"
    code = f"{alone}; import ecommerce_platform.spark.jars as jars; print(jars.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_a_certificate_that_java_does_not_trust_is_named_with_its_remedy() -> None:
    printed = (
        "  module not found: org.apache.iceberg#iceberg-spark-runtime-4.1_2.13;1.11.0\n"
        "  Server access error at url https://example.com/x.pom (javax.net.ssl.SSLHandshakeException: (certificate_unknown) "
        "PKIX path building failed: unable to find valid certification path to requested target)\n"
    )
    assert why_not_fetched(printed).startswith("Java does not trust the certificate of the Maven repository")
    assert why_not_fetched(printed.splitlines()[0]).startswith("module not found: org.apache.iceberg")
