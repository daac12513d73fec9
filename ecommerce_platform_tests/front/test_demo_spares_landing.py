"""The demo and the sample never delete or mix with landing files that are somebody's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecommerce_platform.cli import app


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECOMMERCE_LANDING_URI", str(tmp_path / "landing"))
    path = tmp_path / "landing" / "orders" / "date=2026-01-01" / "delivered.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a day's orders")
    return path


@pytest.mark.parametrize("command", ["demo", "sample"])
def test_landing_files_of_another_origin_stop_it_and_stay(own_file: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, "--days", "1", "--orders-per-day", "1"])
    assert done.exit_code != 0
    assert "delivered.parquet" in f"{done.output}{done.exception}"
    assert own_file.read_bytes() == b"a day's orders"


def test_production_gets_no_invented_events(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PROFILE": "production",
        "LAKEHOUSE__WAREHOUSE": str(own_file.parents[3] / "lake"),
        "SNOWFLAKE__ACCOUNT": "organisation-account",
        "SNOWFLAKE__USER": "loader",
        "SNOWFLAKE__PASSWORD": "x",
        "CLICKHOUSE__HOST": "clickhouse.example",
        "CLICKHOUSE__PASSWORD": "x",
    }.items():
        monkeypatch.setenv(f"ECOMMERCE_{name}", value)
    done = CliRunner().invoke(app, ["sample", "--days", "1", "--overwrite"])
    assert "invented events have no place there" in f"{done.output}{done.exception}"
    assert own_file.exists()
