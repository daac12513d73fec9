"""A shop whose landing zone is watched."""

import pytest

from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.landing.watched_shop import Shop


@pytest.fixture
def shop(local_settings: Settings) -> Shop:
    return Shop(local_settings)
