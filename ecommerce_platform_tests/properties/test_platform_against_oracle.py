"""A thousand random histories side by side through decode, quarantine, duplicates, publishing and Spark's state."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from ecommerce_platform.analytics.assets import published_input
from ecommerce_platform.analytics.compute import refresh
from ecommerce_platform.analytics.declared import TABLES
from ecommerce_platform.business_span import BusinessSpan
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.arrived.arrivals import Intake
from ecommerce_platform.lakehouse.ingest.ingestion import ingest
from ecommerce_platform.lakehouse.ingest.job import Ingest
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.end_to_end.compare import assert_same
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.landing_decode import COLUMNS, as_arrow, decode_landing
from ecommerce_platform_tests.end_to_end.oracle import KEYS, Thresholds, compute
from ecommerce_platform_tests.end_to_end.platform import SPARK_TWINS, Platform
from ecommerce_platform_tests.properties.random_history import DAYS, random_changes

HISTORIES = 1_000
PLACE = ("__source_file", "__source_row")


@pytest.mark.slow
def test_a_thousand_histories_keep_every_event_and_give_the_analytics_of_the_oracle(
    spark: SparkSession, local_settings: Settings
) -> None:
    random = Random(20260102)
    changes = [change for number in range(HISTORIES) for change in random_changes(random, first_id=1 + 100 * number)]
    landing = write_landing(Path(local_settings.landing_uri), changes)
    days = [day(number) for number in DAYS]
    random.shuffle(days)
    expected = decode_landing(landing, days)
    tables = compute(expected, Thresholds())

    following = {"analytics_state_from_events": 0, "analytics_check_every_days": 1}
    keeping_state = local_settings.model_copy(update={"spark": local_settings.spark.model_copy(update=following)})
    # From nothing, from all events with a state that is made, from that state; and a run that has nothing left to do.
    for group in (days[:1], days[1:2], days[2:], days[:2]):
        ingest(Ingest(Lake.of(local_settings), Intake.of(local_settings), lambda: spark, "random"), group)
        lake = Lake.of(keeping_state)
        published = published_input(lake, BusinessSpan.of(keeping_state))
        refresh(lambda: spark, lake, keeping_state.spark, published, list(TABLES), "random")

    platform = Platform(local_settings)
    assert platform.counts() == expected.counts
    for table in COLUMNS:
        rows = as_arrow(expected.events[table], table).to_pylist()
        assert_same(platform.events(table), rows, PLACE, what=table)
    for loaded, twin in SPARK_TWINS.items():
        name = loaded.split(".spark_")[1]
        computed = Lake.of(local_settings).load(f"analytics.{name}").scan().to_arrow().to_pylist()
        assert_same(tables[twin].to_pylist(), computed, KEYS[twin], what=name, only_expected_columns=True)
