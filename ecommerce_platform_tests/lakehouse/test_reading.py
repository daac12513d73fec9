"""What a run reads, by which Spark's JVM is started: a small day of a large lake is a long run where all events are read."""

from __future__ import annotations

from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.ingest.reading import bytes_to_read
from ecommerce_platform.landing.files import LandingZone
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, SmallLake, order


def test_all_events_count_unless_the_analytics_follow_the_changes(lake: SmallLake) -> None:
    lake.land(FIRST, *(order(key, key) for key in range(1, 6)))
    lake.ingest(FIRST)
    landed = lake.land(SECOND, order(6, 6)).stat().st_size
    tables = Lake.of(lake.settings)
    stored = sum(
        file.stat().st_size for file in lake.settings.data_dir.glob("warehouse/ecommerce/orders/data/**/*.parquet")
    )

    def read(least: int | None, check_every: int = 0) -> int:
        changes = {"analytics_state_from_events": least, "analytics_check_every_days": check_every}
        section = lake.settings.spark.model_copy(update=changes)
        return bytes_to_read(LandingZone.of(lake.settings), tables, section, ["orders"], SECOND, SECOND)

    assert stored > 0
    assert read(None) == landed + stored
    assert read(6) == read(5) == landed + stored
    # There is a state from which the changes are followed.
    lake.session().sql(f"create table {tables.in_spark(tables.latest('orders'))} (id bigint) using iceberg")
    assert read(6) == landed + stored
    assert read(5) == landed
    # None of the days is complete yet, as the other tables lack them, and this one makes one.
    assert read(5, check_every=2) == landed
    assert read(5, check_every=1) == landed + stored
