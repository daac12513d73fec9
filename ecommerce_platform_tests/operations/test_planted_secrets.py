"""No secret is in anything that the platform writes: marked secrets in every setting, runs that succeed and runs that fail with
them in hand, and then a search through every file, object, page and line of output.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ecommerce_platform.operations.notifications import sensor
from ecommerce_platform.settings import PROJECT_DIR, Settings, load_settings
from ecommerce_platform.settings.secret import secret_variables
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.kubernetes.application import build_application
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission, pod_template
from ecommerce_platform.spark.launchers.kubernetes.submit import submit_options
from ecommerce_platform.spark.options import SparkApplication
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.stand_ins.access import TOKEN_FILE
from ecommerce_platform_tests.dagster_home import instance_of
from ecommerce_platform_tests.operations.prometheus import free_port, wait_until
from ecommerce_platform_tests.s3_server import s3_bucket

BUCKET = "planted-secrets"
MARK = "Mb7XqPLANTED"
DAY = date(2026, 1, 1)


def planted() -> dict[str, str]:
    """A marked value for each of them; where an address is wanted, one in which the mark is the secret part."""
    values = {name: f"{MARK}-{number}" for number, name in enumerate(secret_variables(Settings))}
    # Both stand-ins ask for the same password, which is planted, too.
    values["ECOMMERCE_CLICKHOUSE__PASSWORD"] = values["ECOMMERCE_SNOWFLAKE__PASSWORD"]
    return {
        name: f"http://127.0.0.1:9/services/{value}" if name.endswith("_URL") else value
        for name, value in values.items()
    }


class Installation:
    """An installation whose every client is given a planted secret: S3 on a server of its own, the stand-ins by host and port."""

    def __init__(self, folder: Path, s3_endpoint: str) -> None:
        self.folder, self.home = folder, folder / "dagster_home"
        self.home.mkdir(parents=True)
        ports = servers.ensure_all(folder / "data")
        self.outputs: list[str] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECOMMERCE_", "DAGSTER_"))}
        self.environment = kept | planted() | {
            "ECOMMERCE_DATA_DIR": str(folder / "data"),
            "ECOMMERCE_LANDING_URI": f"s3://{BUCKET}/landing",
            "ECOMMERCE_SCRATCH_URI": f"s3://{BUCKET}/scratch",
            "ECOMMERCE_LAKEHOUSE__WAREHOUSE": f"s3://{BUCKET}/warehouse",
            "ECOMMERCE_S3__ENDPOINT": s3_endpoint,
            "ECOMMERCE_SNOWFLAKE__ACCOUNT": "fakesnow",
            "ECOMMERCE_SNOWFLAKE__USER": "somebody",
            "ECOMMERCE_SNOWFLAKE__HOST": ports["snowflake"].host,
            "ECOMMERCE_SNOWFLAKE__PORT": str(ports["snowflake"].port),
            "ECOMMERCE_SNOWFLAKE__PROTOCOL": "http",
            "ECOMMERCE_CLICKHOUSE__HOST": ports["clickhouse"].host,
            "ECOMMERCE_CLICKHOUSE__PORT": str(ports["clickhouse"].port),
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }  # fmt: skip

    def shell(self, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            cwd=PROJECT_DIR,
            env=self.environment | changed,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        self.outputs += [done.stdout, done.stderr]
        return done

    def materialize(self, select: str = "*", **changed: str) -> None:
        of = ("-m", "ecommerce_platform.definitions", "--select", select, "--partition", str(DAY))
        self.shell("dagster", "asset", "materialize", *of, **changed)

    def scrape(self) -> None:
        """One page of metrics from an exporter whose warehouse does not answer."""
        port = free_port()
        log = (self.folder / "exporter.log").open("w")
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "ecommerce-platform"), "metrics", "--port", str(port)],
            cwd=PROJECT_DIR,
            env=self.environment | {"ECOMMERCE_SNOWFLAKE__PORT": "9"},
            stdout=log,
            stderr=log,
        )
        try:
            self.outputs.append(wait_until(lambda: page(port), 180, "the exporter answers"))
        finally:
            process.terminate()
            process.wait(30)
            log.close()

    def leaks(self) -> list[str]:
        """Where a mark is found: in outputs, in files (also packed ones), in Dagster's storage, in the bucket."""
        lines = [f"output: {line[:200]}" for text in self.outputs for line in text.splitlines() if MARK in line]
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name != TOKEN_FILE:
                content = path.read_bytes()
                texts = [content, gzip.decompress(content)] if content[:2] == b"\x1f\x8b" else [content]
                lines += [f"file: {path}" for text in texts if MARK.encode() in text]
        return lines


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with s3_bucket(BUCKET) as bucket:
        yield bucket.client


@pytest.fixture(scope="module")
def used(s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The installation after it has done all that it can do, well and badly."""
    from ecommerce_platform.demo.steps import load_speed_layer, write_sample

    folder = tmp_path_factory.mktemp("planted")
    local = load_settings(data_dir=folder / "data")
    token = folder / "data" / "run" / TOKEN_FILE
    token.parent.mkdir(parents=True)
    token.write_text(planted()["ECOMMERCE_SNOWFLAKE__PASSWORD"])
    write_sample(local, days=2, orders_per_day=10, seed=3, faults=True, overwrite=True, say=lambda _: None)
    for path in Path(local.landing_uri).rglob("*.parquet"):
        s3.upload_file(str(path), BUCKET, f"landing/{path.relative_to(local.landing_uri)}")
    load_speed_layer(local, local.realtime_dir)
    try:
        installation = Installation(folder, s3.meta.endpoint_url)
        do_everything(installation)
        yield installation
    finally:
        servers.down(folder / "data")


def do_everything(installation: Installation) -> None:
    """A day with every client in use, then each of the systems away in turn, and the commands that report them."""
    installation.materialize()
    installation.materialize("snowflake/raw/users", ECOMMERCE_SNOWFLAKE__PORT="9")
    installation.materialize("iceberg/users", ECOMMERCE_S3__ENDPOINT="http://127.0.0.1:9")
    installation.materialize("group:reconciliation", ECOMMERCE_CLICKHOUSE__PORT="9")
    installation.materialize(
        "iceberg/users", ECOMMERCE_LAKEHOUSE__CATALOG_URI="postgresql+psycopg2://me@127.0.0.1:9/catalog"
    )
    installation.shell("ecommerce-platform", "doctor")
    installation.shell("ecommerce-platform", "doctor", ECOMMERCE_SNOWFLAKE__PORT="9", ECOMMERCE_CLICKHOUSE__PORT="9")
    installation.shell("ecommerce-platform", "sql", "select no_such_column from raw.orders")
    installation.shell("ecommerce-platform", "backfill", "plan", str(DAY), str(DAY), ECOMMERCE_SNOWFLAKE__PORT="9")
    installation.shell("ecommerce-platform", "reconcile", ECOMMERCE_START_DATE="no date")
    installation.shell("ecommerce-platform", "warehouse", "init")
    installation.shell("ecommerce-platform", "warehouse", "init", "--print")
    forget_somebody(installation)
    installation.scrape()


def forget_somebody(installation: Installation) -> None:
    """An erasure, one that does not reach the warehouse, and what is refused with another key of the list."""
    forget = ("ecommerce-platform", "forget", "user", "1", "--reason", "asked", "--yes")
    installation.shell(*forget, ECOMMERCE_SNOWFLAKE__PORT="9")
    done = installation.shell(*forget)
    assert done.returncode == 0, done.stderr[-2000:]
    another = f"{MARK}-another-key"
    refused = installation.shell(*forget, ECOMMERCE_PRIVACY__KEY=another)
    assert "was written with another key" in refused.stderr
    installation.materialize("iceberg/users", ECOMMERCE_PRIVACY__KEY=another)


def test_every_secret_setting_is_planted() -> None:
    names = set(secret_variables(Settings))
    assert {
        "ECOMMERCE_S3__SECRET_ACCESS_KEY",
        "ECOMMERCE_SNOWFLAKE__PASSWORD",
        "ECOMMERCE_CLICKHOUSE__PASSWORD",
    } <= names
    assert {"ECOMMERCE_NOTIFICATIONS__SLACK_URL", "ECOMMERCE_NOTIFICATIONS__WEBHOOK_TOKEN"} <= names
    assert "ECOMMERCE_PRIVACY__KEY" in names
    assert len(names) >= 10


def test_the_pods_of_a_step_hold_no_secret_and_executors_no_way_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in planted().items():
        monkeypatch.setenv(name, value)
    kubernetes = {
        "IMAGE": "registry.example/app:1",
        "ENV_FROM_SECRETS": json.dumps(["ecommerce-settings"]),
        "SECRET_ENV": json.dumps({name: f"ecommerce-settings:{name}" for name in planted()}),
        "VOLUMES": json.dumps([{"name": "key", "secret": {"secretName": "snowflake-key"}}]),
        "VOLUME_MOUNTS": json.dumps([{"name": "key", "mountPath": "/key"}]),
    }
    for name, value in kubernetes.items():
        monkeypatch.setenv(f"ECOMMERCE_SPARK__KUBERNETES__{name}", value)
    identity = StepIdentity("0a1b2c3d", "change_events", 1, "", ())
    step = Submission(identity, "s3://scratch/steps", "0" * 64, "local:///x.py", SparkApplication.of(load_settings()))
    executor = json.dumps([pod_template(step, "executor"), build_application(step)["spec"]["executor"]])
    sent = json.dumps([pod_template(step, "driver"), build_application(step), submit_options(step, {})])
    assert MARK not in sent + executor
    assert "secretKeyRef" in sent
    assert "secretKeyRef" not in executor
    assert "secretRef" not in executor
    assert "secretName" not in executor


@pytest.mark.soak
def test_the_secrets_were_really_used(used: Installation) -> None:
    with instance_of(used.home) as instance:
        statuses = [run.status for run in instance.get_runs()]
    assert len(statuses) == 6
    assert dg.DagsterRunStatus.FAILURE in statuses
    rows = used.shell("ecommerce-platform", "sql", "select count(*) as orders from raw.orders", "--format", "json")
    assert int(json.loads(rows.stdout)[0]["orders"]) > 0


@pytest.mark.soak
def test_a_receiver_that_does_not_answer_is_reported_without_its_address(
    used: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in used.environment.items():
        if name.startswith("ECOMMERCE_"):
            monkeypatch.setenv(name, value)
    with instance_of(used.home) as instance:
        instance.daemon_cursor_storage.set_cursor_values(
            {
                sensor.STATE_KEY: json.dumps(
                    {"position": {"last": 0, "seen": []}, "outbox": {}, "day_in_time": "", "asked_at": 0.0}
                )
            }
        )
        settings = load_settings()
        done = sensor.tick(instance, settings.notifications, sensor.LateDay.of(settings))
        assert sensor.State.load(instance).outbox.pending > 0
    used.outputs += done.remarks
    assert len(done.remarks) >= 2


@pytest.mark.soak
def test_no_secret_is_in_anything_that_was_written(used: Installation, s3: Any) -> None:
    leaks = used.leaks()
    for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for item in listed.get("Contents", ()):
            content = s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            if MARK.encode() in text or MARK in item["Key"]:
                leaks.append(f"object: {item['Key']}")
    assert not leaks, "\n".join(leaks[:40])
