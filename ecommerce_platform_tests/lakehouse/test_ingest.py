"""Whole days through Spark and Iceberg: what is published, what is counted, what is kept."""

from __future__ import annotations

from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, THIRD, Lake, counts, order


def test_days_land_with_duplicates_and_unreadable_rows_and_every_row_is_accounted_for(lake: Lake) -> None:
    good = [order(key, key) for key in range(1, 201)]
    lake.land(FIRST, *good, order(7, 7), order(None, 900), order(901, 901, total_amount="much"))
    lake.land(SECOND, order(1, 1001, "U", status="shipped"), order(2, 1002, "d", total_amount=None, created_at=None))

    result = lake.ingest(FIRST, SECOND, THIRD)

    assert result.refused == {}
    assert counts(result, FIRST) == (203, 200, 2, 1)
    assert counts(result, SECOND) == (2, 2, 0, 0)
    assert counts(result, THIRD) == (0, 0, 0, 0)
    assert lake.quarantined("reason", "column_name", "source_row") == [
        ("null_key", "id", 201),
        ("value_does_not_fit", "total_amount", 202),
    ]
    assert [row for row in lake.rows("id", "__op", "status", "date") if row[3] == SECOND] == [
        (1, "UPDATE", "shipped", SECOND),
        (2, "DELETE", "pending", SECOND),
    ]
    assert lake.branches() == []
