"""The demonstration's sample, written and read once for all tests of the sample shop."""

from __future__ import annotations

import pytest

from ecommerce_platform_tests.sample_shop.written import Sample, write_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """What `make demo` works on."""
    return write_sample(tmp_path_factory.mktemp("sample"), dirt=True)


@pytest.fixture(scope="session")
def clean_sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The same shop without dirt."""
    return write_sample(tmp_path_factory.mktemp("clean-sample"), dirt=False)
