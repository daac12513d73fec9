"""A step that is submitted to a cluster, with a secret in its settings."""

from typing import Any

from ecommerce_platform.settings import S3Settings, Settings, load_settings
from ecommerce_platform.settings.spark import KubernetesSettings, SparkSettings
from ecommerce_platform.spark.launchers.handover.identity import StepIdentity
from ecommerce_platform.spark.launchers.kubernetes.pods import Submission
from ecommerce_platform.spark.options import SparkApplication

STEP = StepIdentity(
    "0a1b2c3d-1111-2222-3333-444455556666",
    "change_events",
    1,
    "2026-01-01_2026-01-05",
    ("iceberg/orders", "iceberg/users"),
)


SECRET = "value-of-a-secret"


def settings(**kubernetes: Any) -> Settings:
    given = {"image": "registry/app:1", "secret_env": {"ECOMMERCE_S3__SECRET_ACCESS_KEY": "s3:key"}, **kubernetes}
    return load_settings(
        landing_uri="s3://shop/landing",
        s3=S3Settings.model_validate({"access_key_id": "id", "secret_access_key": SECRET}),
        spark=SparkSettings(launcher="kubernetes", kubernetes=KubernetesSettings(**given)),
    )


def submission(chosen: Settings | None = None) -> Submission:
    return Submission(
        STEP, "s3://shop/scratch/x", "0" * 64, "local:///app/remote_main.py", SparkApplication.of(chosen or settings())
    )
