"""Settings come from the environment alone, and a production profile refuses to start half-configured."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from ecommerce_platform.iceberg.catalog import jdbc_uri, sqlalchemy_uri
from ecommerce_platform.settings import PROJECT_DIR, Settings, SettingsError, load_settings

PRODUCTION = {
    "ECOMMERCE_PROFILE": "production",
    "ECOMMERCE_LANDING_URI": "s3://shop-landing",
    "ECOMMERCE_LAKEHOUSE__WAREHOUSE": "s3://shop-lake",
    "ECOMMERCE_LAKEHOUSE__CATALOG_URI": "postgresql://catalog.example/iceberg",
    "ECOMMERCE_SNOWFLAKE__ACCOUNT": "acme-shop",
    "ECOMMERCE_SNOWFLAKE__USER": "loader",
    "ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PATH": "/run/secrets/snowflake.p8",
    "ECOMMERCE_CLICKHOUSE__HOST": "clickhouse.example",
    "ECOMMERCE_CLICKHOUSE__PASSWORD": "a-marked-secret",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_everything_local_lives_under_the_data_directory(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path)
    assert settings.landing_uri == str(tmp_path / "landing")
    assert settings.lakehouse.catalog_uri == f"sqlite:///{tmp_path}/catalog.db"
    assert settings.snowflake.is_embedded
    assert settings.clickhouse.is_embedded


def test_short_names_point_at_other_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ECOMMERCE_LANDING_URI", "s3://bucket/cdc")
    monkeypatch.setenv("ECOMMERCE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ECOMMERCE_START_DATE", "2025-06-01")
    settings = load_settings()
    assert (settings.landing_uri, settings.data_dir, settings.start_date.isoformat()) == (
        "s3://bucket/cdc",
        tmp_path,
        "2025-06-01",
    )


def test_a_nested_setting_is_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_BUSINESS__TIER_GOLD", "1500.50")
    assert str(load_settings().business.tier_gold) == "1500.50"


@pytest.mark.parametrize(
    ("variables", "engine"),
    [
        ({}, "server"),
        ({"ECOMMERCE_SNOWFLAKE__ACCOUNT": "acme-shop"}, "server"),
        ({"ECOMMERCE_PROFILE": "kind"}, "process"),
        (PRODUCTION, "process"),
        (PRODUCTION | {"ECOMMERCE_SPARK__ENGINE": "server"}, "server"),
        ({"ECOMMERCE_SPARK__LAUNCHER": "local-submit"}, "process"),
        ({"ECOMMERCE_SPARK__LAUNCHER": "kubernetes"}, "process"),
        ({"ECOMMERCE_SPARK__MASTER": "local-cluster[2,1,1024]"}, "process"),
        ({"ECOMMERCE_SPARK__ENGINE": "process"}, "process"),
    ],
)
def test_one_machine_keeps_a_spark_warm_and_a_cluster_does_not(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], engine: str
) -> None:
    monkeypatch.delenv("ECOMMERCE_SPARK__ENGINE", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().spark.engine == engine


def test_a_value_that_cannot_be_used_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECOMMERCE_START_DATE", "yesterday")
    with pytest.raises(SettingsError, match="ECOMMERCE_START_DATE"):
        load_settings()


@pytest.mark.parametrize("ratio", ["-0.1", "10", "0.60001"])
def test_a_cost_ratio_that_its_column_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch, ratio: str) -> None:
    monkeypatch.setenv("ECOMMERCE_BUSINESS__ASSUMED_COST_RATIO", ratio)
    with pytest.raises(SettingsError, match="ASSUMED_COST_RATIO"):
        load_settings()


def test_a_whole_production_profile_starts(production: pytest.MonkeyPatch) -> None:
    assert not load_settings().snowflake.is_embedded


@pytest.mark.parametrize(
    "missing", [name for name in PRODUCTION if name not in {"ECOMMERCE_PROFILE", "ECOMMERCE_LAKEHOUSE__CATALOG_URI"}]
)
def test_production_names_what_is_missing(production: pytest.MonkeyPatch, missing: str) -> None:
    production.delenv(missing)
    with pytest.raises(SettingsError, match=missing):
        load_settings()


def test_a_secret_is_not_shown(production: pytest.MonkeyPatch) -> None:
    assert "a-marked-secret" not in repr(load_settings())


def settings_of(section: type[BaseModel], prefix: str) -> dict[str, str | None]:
    """Every variable below a section, with what its page says of it."""
    descriptions: dict[str, str | None] = {}
    for name, field in section.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            descriptions |= settings_of(field.annotation, f"{variable}__")
        else:
            descriptions[variable] = field.description
    return descriptions


def test_every_setting_says_what_it_means_and_is_on_its_page() -> None:
    settings = settings_of(Settings, "ECOMMERCE_")
    assert not [variable for variable, meaning in settings.items() if not meaning]
    page = (PROJECT_DIR / "docs" / "reference" / "settings.md").read_text()
    assert not [variable for variable in settings if f"`{variable}`" not in page]


@pytest.mark.parametrize(
    ("landing", "warehouse", "scratch", "other"),
    [
        ("s3://shop/landing", "s3://shop/lake", "s3://shop/landing/scratch", "LANDING_URI"),
        ("s3://shop/landing", "s3://shop/lake", "s3://shop/landing", "LANDING_URI"),
        ("s3://shop/scratch/landing", "s3://shop/lake", "s3://shop/scratch/", "LANDING_URI"),
        ("s3://shop/landing", "s3://shop/lake", "s3://shop/lake/scratch", "WAREHOUSE"),
    ],
)
def test_scratch_does_not_lie_where_others_write(
    monkeypatch: pytest.MonkeyPatch, landing: str, warehouse: str, scratch: str, other: str
) -> None:
    monkeypatch.setenv("ECOMMERCE_LANDING_URI", landing)
    monkeypatch.setenv("ECOMMERCE_LAKEHOUSE__WAREHOUSE", warehouse)
    monkeypatch.setenv("ECOMMERCE_SCRATCH_URI", scratch)
    with pytest.raises(SettingsError, match=other):
        load_settings()
    monkeypatch.setenv("ECOMMERCE_SCRATCH_URI", f"{landing}-scratch")
    assert load_settings().scratch_uri == f"{landing}-scratch"


def test_in_production_scratch_has_a_bucket_of_its_own(production: pytest.MonkeyPatch) -> None:
    production.setenv("ECOMMERCE_SCRATCH_URI", "s3://shop-landing-scratch")
    load_settings()
    production.setenv("ECOMMERCE_LANDING_URI", "s3://shop/landing")
    production.setenv("ECOMMERCE_SCRATCH_URI", "s3://shop/scratch")
    with pytest.raises(SettingsError, match="bucket shop of ECOMMERCE_LANDING_URI"):
        load_settings()


PLAIN = [
    ("clickhouse", "ECOMMERCE_CLICKHOUSE__SECURE", "false"),
    ("s3", "ECOMMERCE_S3__ENDPOINT", "http://store.example:9000"),
    ("catalog", "ECOMMERCE_LAKEHOUSE__CATALOG_URI", "postgresql://catalog.example/iceberg?sslmode=require"),
    ("catalog", "ECOMMERCE_LAKEHOUSE__CATALOG_URI", "postgresql+psycopg2://catalog.example/iceberg?sslmode=disable"),
    ("catalog", "ECOMMERCE_LAKEHOUSE__CATALOG_URI", "http://rest.example"),
]


@pytest.mark.parametrize(("system", "variable", "value"), PLAIN)
def test_production_is_encrypted_and_verified_unless_a_setting_says_it_is_not(
    production: pytest.MonkeyPatch, system: str, variable: str, value: str
) -> None:
    production.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf'ECOMMERCE_UNENCRYPTED=\["{system}"\]'):
        load_settings()
    production.setenv("ECOMMERCE_UNENCRYPTED", f'["{system}"]')
    load_settings()


def test_what_says_nothing_of_encryption_is_encrypted_in_production(
    production: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    assert settings.clickhouse.secure is True
    assert settings.lakehouse.catalog_uri == "postgresql://catalog.example/iceberg?sslmode=verify-full"
    assert "sslrootcert=system" in sqlalchemy_uri(settings.lakehouse)
    assert "sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory" in jdbc_uri(settings.lakehouse)
    production.setenv("ECOMMERCE_PROFILE", "local")
    assert load_settings().clickhouse.secure is False
