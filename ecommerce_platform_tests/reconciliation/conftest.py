"""Fixtures of the room: both stand-ins, started once, and the two layers in them, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecommerce_platform.reconciliation.layers import clickhouse
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.settings import Settings, load_settings
from ecommerce_platform.stand_ins import servers
from ecommerce_platform.warehouse.sql.connection import connect
from ecommerce_platform_tests.reconciliation.two_layers import TwoLayers


@pytest.fixture(scope="session")
def servers_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an installation whose servers run."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("reconciliation"))
    servers.ensure_all(settings.data_dir)
    yield settings
    servers.down(settings.data_dir)


@pytest.fixture(scope="session")
def tables(servers_settings: Settings) -> Iterator[TwoLayers]:
    connection = connect(servers_settings, "test")
    client = clickhouse.connect(servers_settings, "test")
    layers = TwoLayers(connection, client)
    layers.create()
    Store(connection).create()
    yield layers
    client.close()
    connection.close()


@pytest.fixture
def two(tables: TwoLayers) -> TwoLayers:
    """Both layers, empty."""
    tables.reset()
    return tables
