"""Pages for people: what they say, that nothing in the data becomes markup, and where they lie."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ecommerce_platform.reconciliation.command import write_reports
from ecommerce_platform.reconciliation.model import (
    BatchEvent,
    Discrepancy,
    Finding,
    MetricVerdict,
    Reason,
    ReconciliationError,
    State,
    Status,
)
from ecommerce_platform.reconciliation.present import wording
from ecommerce_platform.reconciliation.present.data import DateState, DayReport, Overview, day_reports, overview
from ecommerce_platform.reconciliation.present.publish import Place, publish
from ecommerce_platform.reconciliation.present.render import day_page, overview_page, page_of
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.converge import DayResult, courses
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.reconciliation.reconciled import LAST, ORDER, run
from ecommerce_platform_tests.reconciliation.two_layers import DAY, TwoLayers
from ecommerce_platform_tests.s3_server import s3_bucket

START = datetime(2026, 1, 20, 6, tzinfo=UTC)
NASTY = "<script>alert('x')</script> & \"Straße\" 😀"


def history(*differing: int, day: date = DAY, lagging: int = 3) -> tuple[DayResult, ...]:
    return tuple(
        DayResult(f"run-{n}", day, START + timedelta(minutes=20 * n), many - many // 2, many // 2, 0, lagging, True)
        for n, many in enumerate(differing)
    )


def discrepancy(order_id: int, reason: Reason, state: State, speed: str | None, batch: str | None) -> Discrepancy:
    event = BatchEvent(
        order_id, "UPDATE", 71, START, {}, DAY, f"date={DAY}/part-0.parquet", 17, f"orders-{DAY}-9", 4711
    )
    finding = Finding(
        order_id, DAY, reason, ("status",), speed, batch, "differs in status", 70, 71, START, START, event
    )
    return Discrepancy(finding, state, START, START, "run-0", "run-1", START if state is State.HEALED else None)


def verdict(metric: str, tier: str, speed: str, batch: str, status: Status = Status.OK) -> MetricVerdict:
    left, right = Decimal(speed), Decimal(batch)
    share = abs(left - right) / right if right else Decimal(1)
    return MetricVerdict(
        DAY, metric, tier, left, right, abs(left - right), share, Decimal("0.05"), Decimal("0.10"), status
    )


def a_report(*differing: int) -> DayReport:
    results = history(*(differing or (9, 6, 4, 4, 2, 1)))
    return DayReport(
        DAY,
        START,
        results,
        courses(results)[DAY],
        tuple(
            verdict(metric, tier, speed, batch, status)
            for metric, speed, batch, status in (
                ("active_customers", "412", "412", Status.OK),
                ("total_orders", "538", "545", Status.OK),
                ("total_revenue", "40123.50", "43210.00", Status.WARN),
                ("avg_order_value", "91.23", "103.10", Status.ERROR),
            )
            for tier in ("all", "bronze", "silver", "gold", "platinum")
        ),
        (
            discrepancy(10**12, Reason.STATUS_BEHIND, State.CONFIRMED, "pending", "delivered"),
            discrepancy(-7, Reason.IMPOSSIBLE_STATUS_MOVE, State.SUSPECTED, NASTY, "shipped"),
            discrepancy(11199, Reason.MISSING_IN_SPEED, State.HEALED, None, "status=shipped, total_amount=10.00"),
        ),
    )


def an_overview() -> Overview:
    results = [
        result
        for number in range(40)
        for result in history(*range(number % 7 * 3, -1, -3), day=DAY + timedelta(days=number))
    ]
    by_day = {day: [item for item in results if item.date == day] for day in sorted({item.date for item in results})}
    by_day[DAY + timedelta(days=39)] = list(history(200, 150, 90, 12, 5, day=DAY + timedelta(days=39)))
    course_of = courses(item for results in by_day.values() for item in results)
    return Overview(
        DAY + timedelta(days=38),
        START,
        START + timedelta(hours=2),
        tuple(
            DateState(day, course_of[day], results[-1], Status.OK, {Reason.AMOUNT: 2})
            for day, results in by_day.items()
        ),
        tuple(item for results in by_day.values() for item in results),
    )


SENTENCES = {
    "never reconciled": ((), f"{DAY} has not been reconciled yet."),
    "agreed from the start": (
        (0,),
        f"{DAY} has converged: the layers agree on every order, with every metric within tolerance.",
    ),
    "converged after a while": (
        (4, 2, 0),
        f"{DAY} has converged: the layers agree on every order, 40 min after they first differed, "
        "with every metric within tolerance.",
    ),
    "one differs": (
        (1,),
        f"{DAY} has not converged: 1 order differs, 0 confirmed, with every metric within tolerance.",
    ),
}


@pytest.mark.parametrize("situation", SENTENCES)
def test_a_date_stands_in_one_sentence(situation: str) -> None:
    differing, sentence = SENTENCES[situation]
    results = history(*differing)
    report = DayReport(DAY, None, results, courses(results).get(DAY), (), ())
    assert wording.day_sentence(report) == sentence


def test_a_date_that_was_cut_short_says_at_least() -> None:
    results = (replace(history(5)[0], complete=False),)
    report = replace(a_report(), results=results, course=courses(results)[DAY])
    assert "at least 5 orders differ, 1 confirmed, with 2 metrics over tolerance." in wording.day_sentence(report)
    nothing = (replace(history(0)[0], complete=False),)
    assert "not examined wholly" in wording.day_sentence(replace(report, results=nothing, course=courses(nothing)[DAY]))


def test_durations_are_written_in_two_units() -> None:
    spans = {0: "at once", 45: "45 s", 1800: "30 min", 5430: "1 h 30 min", 266_461: "3 d 2 h"}
    assert {seconds: wording.duration(timedelta(seconds=seconds)) for seconds in spans} == spans


def test_nothing_in_the_data_becomes_markup() -> None:
    page = day_page(a_report())
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;Straße&#34; 😀" in page


def test_a_page_holds_findings_values_lineage_and_metrics() -> None:
    page = day_page(a_report())
    for part in (
        "1000000000000",
        "status behind",
        "pending",
        "delivered",
        "part-0.parquet",
        "4711",
        "43,210.00",
        "10.00 %",
    ):
        assert part in page


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    for page in (day_page(a_report()), overview_page(an_overview(), {DAY})):
        assert not re.search(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?\s*(?:https?:)?//""", page)
        assert not re.findall(r"<(?:link|script|iframe|object|img)\b(?![^>]*data:)", page)


def test_drawings_take_their_colours_from_the_page_and_have_ids_of_their_own() -> None:
    page = day_page(a_report())
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "var(--" in drawing
        assert not re.findall(r"#0[12]0[12]\w\w", drawing)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_report_is_the_same_page() -> None:
    assert day_page(a_report()) == day_page(a_report())


def test_an_overview_without_any_date_says_so() -> None:
    assert "No business date has been reconciled yet." in overview_page(Overview(None, None, None, (), ()), set())


def test_pages_of_what_the_tables_hold_are_written_and_linked(two: TwoLayers, local_settings: Settings) -> None:
    two.batch(ORDER, LAST)
    two.speed(LAST)
    run(two, run_id="a")
    run(two, [], "b", START + timedelta(days=2))
    store = Store(two.connection)
    (report,) = day_reports(store, [DAY])
    assert [result.run_id for result in report.results] == ["a", "b"]
    assert report.count(State.CONFIRMED) == 1
    assert report.cut_off == LAST.at
    shown = overview(store)
    assert [state.date for state in shown.open_dates] == [DAY]
    published = publish(Place.of(local_settings.reconciliation.reports_uri, local_settings.s3), store, [DAY])
    assert Path(published.days[DAY]).read_text().count("missing in speed") == 1
    assert f'<a href="{DAY}.html">{DAY}</a>' in Path(published.overview).read_text()
    assert not list(Path(published.overview).parent.glob(".*"))


def test_a_date_that_was_never_reconciled_has_a_page_that_says_so(two: TwoLayers, local_settings: Settings) -> None:
    place = Place.of(local_settings.reconciliation.reports_uri, local_settings.s3)
    written = write_reports(Store(two.connection), place, [date(2020, 2, 29)])
    assert "2020-02-29 has not been reconciled yet." in Path(written["2020-02-29"]).read_text()


def test_an_address_that_reports_cannot_go_to_is_a_clear_error(local_settings: Settings) -> None:
    with pytest.raises(ReconciliationError, match=r"ftp://somewhere/reports.*expected a folder or s3://"):
        Place.of("ftp://somewhere/reports", local_settings.s3)


def test_pages_go_to_s3_as_html() -> None:
    with s3_bucket("shop-reports") as bucket:
        place = Place.of("s3://shop-reports/reconciliation/", bucket.settings)
        assert place.dates() == set()
        where = place.write(page_of(DAY), day_page(a_report()))
        assert where == f"s3://shop-reports/reconciliation/{DAY}.html"
        assert place.dates() == {DAY}
        stored = bucket.client.get_object(Bucket=bucket.name, Key=f"reconciliation/{DAY}.html")
        assert stored["ContentType"] == "text/html"
        assert stored["Body"].read().decode().startswith("<!doctype html>")
