"""A speed layer whose server is not in UTC: business dates, cut-off and lag are those of UTC all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ecommerce_platform.reconciliation.layers import clickhouse
from ecommerce_platform.reconciliation.layers.batch import _utc
from ecommerce_platform.reconciliation.model import Reason, Status
from ecommerce_platform.settings import ReconciliationSettings, load_settings
from ecommerce_platform.stand_ins import servers
from ecommerce_platform_tests.case_sets import spread
from ecommerce_platform_tests.reconciliation.compare import test_types
from ecommerce_platform_tests.reconciliation.reconciled import reasons, run
from ecommerce_platform_tests.reconciliation.test_clickhouse_types import versions
from ecommerce_platform_tests.reconciliation.two_layers import DAY, Event, TwoLayers

#: Around midnight in UTC and around the changes to and from summer time in both zones; some of these hours have no name or two.
CREATED = [
    datetime(2026, month, day, hour, minute, tzinfo=UTC)
    for month, day, hour, minute in (
        (1, 5, 23, 30), (1, 6, 0, 30), (1, 6, 4, 30), (7, 14, 22, 30), (7, 15, 0, 30),
        (3, 29, 0, 30), (3, 29, 1, 30), (3, 28, 23, 30), (10, 25, 0, 30), (10, 25, 1, 30), (10, 24, 22, 30),
        (3, 8, 6, 30), (3, 8, 7, 30), (11, 1, 5, 30), (11, 1, 6, 30), (11, 1, 4, 30),
    )
]  # fmt: skip
CUT_OFF = datetime(2026, 11, 20, 23, 15, 0, 500_000, tzinfo=UTC)
TYPES = [
    "DateTime",
    "DateTime64(3)",
    "DateTime64(6, 'UTC')",
    "DateTime('Asia/Tokyo')",
    "DateTime64(6, 'America/New_York')",
]
EXACT = ReconciliationSettings(tolerance=Decimal(0), failure=Decimal(0))


@pytest.fixture(scope="module", params=["Europe/Berlin", "America/New_York"])
def zoned(
    request: pytest.FixtureRequest, tables: TwoLayers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoLayers]:
    """The batch layer beside a speed layer whose server has a time zone of its own."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("zoned"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        servers.ensure_clickhouse(settings.data_dir)
    client = clickhouse.connect(settings, "test")
    assert client.command("select timezone()") == request.param
    yield TwoLayers(tables.connection, client)
    client.close()
    servers.down(settings.data_dir)


@pytest.mark.parametrize("declared", spread(TYPES, everyday=2, slow=1))
def test_dates_cut_off_and_lag_are_those_of_utc(zoned: TwoLayers, declared: str) -> None:
    zoned.reset()
    orders = [
        Event(number, 100 + number, created=created, at=created, user=number)
        for number, created in enumerate(CREATED, start=1)
    ]
    last = Event(900, 9000, created=CUT_OFF.replace(microsecond=0), at=CUT_OFF)
    zoned.batch(*orders, last)
    # Within an hour of the cut-off on either side: one lags, and one is missing in the batch layer.
    lagging = Event(901, 9001, created=CREATED[0], at=CUT_OFF + timedelta(minutes=30))
    missing = Event(902, 9002, created=CREATED[1], at=CUT_OFF - timedelta(minutes=30))
    types = {"created_at": declared, "updated_at": f"Nullable({declared})"}
    versions(zoned, types, *orders, last, lagging, missing)
    reconciliation = run(zoned, days=[DAY], settings=EXACT, table="typed_orders")
    assert reconciliation.scope.cut_off == CUT_OFF
    assert reconciliation.scope.all_dates == tuple(sorted({created.date() for created in (*CREATED, CUT_OFF)}))
    assert reasons(reconciliation) == {901: Reason.LAG, 902: Reason.MISSING_IN_BATCH}
    assert {key: finding.date for key, finding in reconciliation.findings.items()} == {
        901: date(2026, 1, 5),
        902: date(2026, 1, 6),
    }
    assert reconciliation.findings[902].speed_event_time == missing.at
    assert reconciliation.measurement.lagging == {date(2026, 1, 5): 1}
    assert {verdict.date for verdict in reconciliation.verdicts if verdict.status is not Status.OK} == {
        date(2026, 1, 6)
    }


def test_a_change_belongs_to_its_day_in_utc(zoned: TwoLayers) -> None:
    zoned.reset()
    late, next_day = (datetime(2026, 1, day, hour, 30, tzinfo=UTC) for day, hour in ((5, 23), (6, 0)))
    orders = [
        Event(1, 101, created=late, at=late, day=date(2025, 1, 1)),
        Event(2, 102, created=next_day, at=next_day, day=date(2025, 1, 1)),
    ]
    zoned.both(*orders)
    for day in (late.date(), next_day.date()):
        assert run(zoned, days=[day], run_id=str(day)).scope.dates == (day,)


@pytest.mark.parametrize(
    ("kind", "declared", "value", "snowflake", "equal", "other"),
    [case for case in test_types.CASES if case[0] in ("timestamp", "date")],
)
def test_any_two_tables_are_compared_by_their_moments(
    zoned: TwoLayers, kind: str, declared: str, value: str, snowflake: str, equal: str, other: str
) -> None:
    test_types.test_equal_values_agree_and_others_do_not(zoned, kind, declared, value, snowflake, equal, other)


def test_a_time_with_a_zone_is_moved_to_utc() -> None:
    local = datetime.fromisoformat("2026-01-06T00:30:00+01:00")
    moved = _utc(local)
    assert moved is not None
    assert (moved.date(), moved.tzinfo, moved) == (date(2026, 1, 5), UTC, local)
