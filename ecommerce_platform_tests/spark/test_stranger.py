"""A stranger on the same machine who speaks Spark's protocol is refused by the driver; the driver's own processes are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from ecommerce_platform.settings import PROJECT_DIR, load_settings
from ecommerce_platform.spark.java import require_java
from ecommerce_platform.spark.session import build_session


@pytest.mark.usefixtures("spark_application")
def test_a_stranger_cannot_speak_to_the_driver(tmp_path: Path) -> None:
    session = build_session(load_settings(data_dir=tmp_path))
    port = session.sparkContext.getConf().get("spark.driver.port")
    assert port
    java_home = require_java().executable.resolve().parent.parent
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("stranger.py")), "127.0.0.1", port],
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIR), "SPARK_HOME": str(Path(pyspark.__file__).parent)}
        | {"JAVA_HOME": os.environ.get("JAVA_HOME", str(java_home))},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "refused: " in done.stdout, done.stdout + done.stderr
    assert session.range(10).count() == 10, "the driver goes on"
