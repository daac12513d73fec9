"""How Spark starts: silently, and with the archive of its classes where that fits; without one nothing is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecommerce_platform import archive_classes
from ecommerce_platform.settings import load_settings
from ecommerce_platform.spark import class_archive
from ecommerce_platform.spark.jars import CORE, default_jars_dir, ensure_jars
from ecommerce_platform.spark.java import Java, require_java
from ecommerce_platform.spark.options import SparkApplication, application_options

_OPTIONS = "spark.driver.extraJavaOptions"


@pytest.fixture(scope="module")
def jars() -> tuple[Path, ...]:
    return ensure_jars(default_jars_dir(load_settings().spark), frozenset({CORE}))


def test_without_an_archive_the_jvm_gets_no_option(
    jars: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_archive, "archive_folder", lambda: tmp_path)
    assert class_archive.archive_options(jars) == ()
    class_archive.archive_path(jars).touch()
    assert f"-XX:SharedArchiveFile={class_archive.archive_path(jars)}" in class_archive.archive_options(jars)


def test_an_archive_is_written_in_the_background_when_there_is_none(
    jars: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(class_archive, "archive_folder", lambda: tmp_path)
    monkeypatch.setattr(archive_classes.subprocess, "Popen", lambda command, **_: started.append(command))
    assert archive_classes.archive_in_background(tmp_path / "log")
    assert started == [["nice", "-n", "10", sys.executable, "-m", archive_classes.__name__]]
    class_archive.archive_path(jars).touch()
    assert not archive_classes.archive_in_background(tmp_path / "log")
    assert len(started) == 1


def test_another_java_or_class_path_has_another_archive(
    jars: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = class_archive.archive_path(jars)
    assert class_archive.archive_path(jars[:-1]) != ours
    java = require_java()
    monkeypatch.setattr(class_archive, "require_java", lambda: Java(java.executable, java.version, "another build"))
    assert class_archive.archive_path(jars) != ours


@dataclass(frozen=True)
class Start:
    """What a process that started Spark printed, and which classes its JVM loaded, from where."""

    printed: str
    classes: tuple[str, ...]


@pytest.fixture(scope="module")
def start(jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Start:
    folder = tmp_path_factory.mktemp("start")
    log = folder / "classes.log"
    options = application_options(SparkApplication.of(load_settings(data_dir=folder / "data")), jars)
    script = (
        "from ecommerce_platform.settings import load_settings\n"
        "from ecommerce_platform.spark.session import build_session\n"
        "assert build_session(load_settings()).range(3).count() == 3\n"
    )
    environment = {
        "ECOMMERCE_DATA_DIR": str(folder / "data"),
        "ECOMMERCE_SPARK__EXTRA": json.dumps({_OPTIONS: f"{options[_OPTIONS]} -Xlog:class+load=info:file={log}"}),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    return Start(done.stdout, tuple(log.read_text().splitlines()))


@pytest.mark.slow
def test_sparks_classes_come_from_the_archive(jars: tuple[Path, ...], start: Start) -> None:
    if not class_archive.archive_path(jars).exists():
        pytest.skip("no archive: make archive writes one")
    lines = [line for line in start.classes if " org.apache.spark." in line]
    # The classes of lambdas are made while the program runs.
    loaded = [line for line in lines if "$$Lambda" not in line]
    archived = [line for line in loaded if "shared objects file (top)" in line]
    assert len(archived) > 0.95 * len(loaded) > 1000


@pytest.mark.slow
def test_spark_starts_without_a_word(start: Start) -> None:
    assert start.printed == ""
