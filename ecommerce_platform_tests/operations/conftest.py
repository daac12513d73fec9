"""An installation that sends notifications, and the receiver that they go to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ecommerce_platform.settings import NotificationSettings, load_settings
from ecommerce_platform_tests.operations.office import Office
from ecommerce_platform_tests.operations.webhook_receiver import Receiver, receiver


@pytest.fixture
def post() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, post: Receiver) -> Iterator[Office]:
    settings = load_settings(
        data_dir=tmp_path / "data",
        notifications=NotificationSettings(
            webhook_url=post.url, webhook_token="token", ui_url="https://dagster.example", timeout_seconds=2
        ),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        made = Office(instance, settings)
        made.tick()
        yield made


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
