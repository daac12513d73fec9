"""The settings know which of them are secret; a secret in any other is refused, without its value in the message."""

from __future__ import annotations

import json
from functools import partial

import pytest

from ecommerce_platform.operations.doctor import _finding, _secrets
from ecommerce_platform.settings import Settings, SettingsError, load_settings
from ecommerce_platform.settings.secret import problems_of_secrets, secret_variables
from ecommerce_platform_tests.test_settings import PRODUCTION

MARK = "Mb7XqPLANTED"

IN_THE_OPEN = [
    ("ECOMMERCE_LAKEHOUSE__CATALOG_URI", f"postgresql://me:{MARK}@db.example/iceberg"),
    ("ECOMMERCE_LAKEHOUSE__CATALOG_URI", f"postgresql://db.example/iceberg?user=me&password={MARK}"),
    ("ECOMMERCE_NOTIFICATIONS__UI_URL", f"https://me:{MARK}@dagster.example"),
    ("ECOMMERCE_S3__ENDPOINT", f"https://{MARK}:{MARK}@store.example"),
    ("ECOMMERCE_SPARK__EXTRA", json.dumps({"spark.hadoop.fs.s3a.secret.key": MARK})),
    ("ECOMMERCE_SPARK__EXTRA", json.dumps({"spark.sql.catalog.iceberg.uri": f"https://me:{MARK}@catalog.example"})),
    ("ECOMMERCE_SPARK__RESOURCES__CONF", json.dumps({"spark.authenticate.secret": MARK})),
    ("ECOMMERCE_SPARK__KUBERNETES__ENV", json.dumps({"ECOMMERCE_SNOWFLAKE__PASSWORD": MARK})),
    ("ECOMMERCE_SPARK__KUBERNETES__ENV", json.dumps({"AWS_SECRET_ACCESS_KEY": MARK})),
    ("ECOMMERCE_SPARK__KUBERNETES__ENV", json.dumps({"ECOMMERCE_NOTIFICATIONS__SLACK_URL": MARK})),
    ("ECOMMERCE_CLICKHOUSE__USER", f"somebody-{MARK}"),
]


def test_every_secret_type_is_in_the_list() -> None:
    names = set(secret_variables(Settings))
    assert {"ECOMMERCE_NOTIFICATIONS__SLACK_URL", "ECOMMERCE_LAKEHOUSE__CATALOG_PASSWORD"} <= names
    assert {"ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PASSPHRASE", "ECOMMERCE_S3__ACCESS_KEY_ID"} <= names
    assert "ECOMMERCE_LAKEHOUSE__CATALOG_URI" not in names


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {**PRODUCTION, "ECOMMERCE_CLICKHOUSE__PASSWORD": MARK}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(("variable", "value"), IN_THE_OPEN)
def test_production_refuses_a_secret_in_the_open(production: pytest.MonkeyPatch, variable: str, value: str) -> None:
    production.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as refused:
        load_settings()
    assert MARK not in str(refused.value)


@pytest.mark.parametrize(("variable", "value"), IN_THE_OPEN[:4])
def test_the_doctor_refuses_it_in_every_profile(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    finding = _finding("settings", partial(_secrets, load_settings()))
    assert not finding.ok
    assert variable in finding.message
    assert MARK not in finding.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ECOMMERCE_LAKEHOUSE__CATALOG_URI", "postgresql+psycopg2://me@db.example:5432/iceberg?sslmode=verify-full"),
        ("ECOMMERCE_NOTIFICATIONS__RUNBOOK_URL", "https://wiki.example:8443/runbook?page=a@b"),
        ("ECOMMERCE_SPARK__KUBERNETES__SECRET_ENV", json.dumps({"ECOMMERCE_S3__SECRET_ACCESS_KEY": "store:key"})),
        ("ECOMMERCE_SPARK__KUBERNETES__VOLUMES", json.dumps([{"name": "a", "secret": {"secretName": "b"}}])),
        ("ECOMMERCE_SPARK__EXTRA", json.dumps({"spark.sql.catalog.iceberg.header.Authorization": "Bearer x"})),
    ],
)
def test_what_names_a_secret_or_looks_like_one_from_afar_is_taken(
    production: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    production.setenv(variable, value)
    assert not list(problems_of_secrets(load_settings()))
