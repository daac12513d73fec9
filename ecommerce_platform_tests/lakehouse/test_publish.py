"""Publishing moves `main` to exactly what was audited, once, whoever tries; references and ledger move together. No Spark."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException
from pyiceberg.table import Table

from ecommerce_platform.contracts import load_contracts
from ecommerce_platform.iceberg.lake import Lake
from ecommerce_platform.lakehouse.days import publish as publishing
from ecommerce_platform.lakehouse.days.ledger import (
    DayRecord,
    PublicationByHand,
    RefusedDay,
    complete,
    read_ledger,
    read_table_ledger,
)
from ecommerce_platform.lakehouse.errors import PublishConflictError
from ecommerce_platform.lakehouse.ingest.tables import ensure_event_table, open_catalog
from ecommerce_platform.settings import Settings
from ecommerce_platform_tests.lakehouse.lake import FIRST, SECOND, THIRD

RECORD = DayRecord("orders", FIRST, 0, "content", 1, 1, 0, 0, 1, 100, "run-1")


@pytest.fixture
def catalog(local_settings: Settings) -> Catalog:
    return open_catalog(Lake.of(local_settings))


@pytest.fixture
def orders(catalog: Catalog, local_settings: Settings) -> Table:
    return ensure_event_table(catalog, Lake.of(local_settings), load_contracts()["orders"])


def write_branch(catalog: Catalog, orders: Table, branch: str, day: date, key: int = 1) -> int:
    """What the Spark job does, in small: a commit to a branch that starts where main is."""
    publishing.start_branch(catalog, orders, branch)
    table = catalog.load_table(orders.name())
    row = dict.fromkeys(table.schema().column_names) | {"id": key, "date": day}
    table.append(pa.Table.from_pylist([row], table.schema().as_arrow()), branch=branch)
    return catalog.load_table(orders.name()).metadata.refs[branch].snapshot_id


def keys(catalog: Catalog, orders: Table) -> list[int]:
    return sorted(catalog.load_table(orders.name()).scan(selected_fields=("id",)).to_arrow()["id"].to_pylist())


def test_what_is_on_a_branch_is_invisible_until_it_is_published(catalog: Catalog, orders: Table) -> None:
    snapshot = write_branch(catalog, orders, "audit_a_1", FIRST)
    assert keys(catalog, orders) == []

    publishing.publish(catalog, orders, snapshot, [replace(RECORD, snapshot_id=snapshot)])

    table = catalog.load_table(orders.name())
    assert keys(catalog, orders) == [1]
    assert set(table.metadata.refs) == {"main"}
    assert read_table_ledger("orders", table).published == {FIRST: replace(RECORD, snapshot_id=snapshot)}


def test_publishing_again_changes_nothing_even_after_others_have_published(catalog: Catalog, orders: Table) -> None:
    first = write_branch(catalog, orders, "audit_a_1", FIRST)
    publishing.publish(catalog, orders, first, [replace(RECORD, snapshot_id=first)])
    second = write_branch(catalog, orders, "audit_b_1", SECOND, key=2)
    publishing.publish(catalog, orders, second, [replace(RECORD, day=SECOND, snapshot_id=second)])

    publishing.publish(catalog, orders, first, [replace(RECORD, snapshot_id=first, run_id="again")])

    table = catalog.load_table(orders.name())
    assert publishing.main_snapshot(table) == second
    assert {record.run_id for record in read_table_ledger("orders", table).published.values()} == {"run-1"}
    assert keys(catalog, orders) == [1, 2]


def test_a_branch_that_started_before_main_moved_cannot_be_published(catalog: Catalog, orders: Table) -> None:
    slow = write_branch(catalog, orders, "audit_slow_1", FIRST, key=1)
    fast = write_branch(catalog, orders, "audit_fast_1", FIRST, key=2)
    publishing.publish(catalog, orders, fast, [replace(RECORD, snapshot_id=fast)])

    with pytest.raises(PublishConflictError, match="expected main not to move"):
        publishing.publish(catalog, orders, slow, [replace(RECORD, snapshot_id=slow)])

    assert keys(catalog, orders) == [2]
    # No audit branch outlives a publication: none of them could be published any more.
    assert set(catalog.load_table(orders.name()).metadata.refs) == {"main"}


def test_of_many_who_publish_at_once_one_wins_and_the_ledger_says_which(
    local_settings: Settings, orders: Table
) -> None:
    catalog = open_catalog(Lake.of(local_settings))
    snapshots = [write_branch(catalog, orders, f"audit_{key}_1", FIRST, key) for key in range(1, 7)]

    def publish(snapshot: int) -> bool:
        try:
            publishing.publish(
                open_catalog(Lake.of(local_settings)), orders, snapshot, [replace(RECORD, snapshot_id=snapshot)]
            )
        except PublishConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = [snapshot for snapshot, ok in zip(snapshots, pool.map(publish, snapshots), strict=True) if ok]

    assert len(won) == 1
    table = catalog.load_table(orders.name())
    assert publishing.main_snapshot(table) == won[0]
    assert read_table_ledger("orders", table).published[FIRST].snapshot_id == won[0]
    assert len(keys(catalog, orders)) == 1


class LosesAnswers:
    """A catalog whose answer to a commit gets lost on the way back."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.commits = catalog, 0
        self.load_table: Callable[..., Table] = catalog.load_table

    def commit_table(self, *arguments: object) -> object:
        answer = self.catalog.commit_table(*arguments)  # type: ignore[arg-type]
        self.commits += 1
        if self.commits == 1:
            raise CommitStateUnknownException("the connection broke")
        return answer


def test_a_lost_answer_to_the_commit_publishes_once(catalog: Catalog, orders: Table) -> None:
    snapshot = write_branch(catalog, orders, "audit_a_1", FIRST)
    losing = LosesAnswers(catalog)
    publishing.publish(losing, orders, snapshot, [replace(RECORD, snapshot_id=snapshot)])  # type: ignore[arg-type]
    assert losing.commits == 1
    assert keys(catalog, orders) == [1]


class LetsAnotherThrough:
    """A catalog in which another publisher commits after our last look and before our commit."""

    def __init__(self, catalog: Catalog, other: Callable[[], object]) -> None:
        self.catalog, self.other = catalog, other
        self.load_table: Callable[..., Table] = catalog.load_table

    def commit_table(self, *arguments: object) -> object:
        other, self.other = self.other, lambda: None
        other()
        return self.catalog.commit_table(*arguments)  # type: ignore[arg-type]


def test_a_publication_between_the_last_look_and_the_commit_is_not_overwritten(catalog: Catalog, orders: Table) -> None:
    ours = write_branch(catalog, orders, "audit_ours_1", FIRST, key=1)
    theirs = write_branch(catalog, orders, "audit_theirs_1", SECOND, key=2)
    record = replace(RECORD, day=SECOND, snapshot_id=theirs)
    racing = LetsAnotherThrough(catalog, lambda: publishing.publish(catalog, orders, theirs, [record]))

    with pytest.raises(PublishConflictError):
        publishing.publish(racing, orders, ours, [replace(RECORD, snapshot_id=ours)])  # type: ignore[arg-type]

    assert read_table_ledger("orders", catalog.load_table(orders.name())).published == {SECOND: record}
    assert keys(catalog, orders) == [2]


def test_a_refused_day_keeps_its_branch_until_the_day_is_published(catalog: Catalog, orders: Table) -> None:
    snapshot = write_branch(catalog, orders, "audit_a_1", FIRST)
    branch = publishing.refused_branch(FIRST.isoformat(), "0123456789abcdef")
    refusal = RefusedDay("orders", FIRST, "too many unreadable rows", "0123456789abcdef", branch, "run-1")
    publishing.record_refusals(catalog, orders, [refusal], snapshot, drop="audit_a_1")
    table = catalog.load_table(orders.name())
    assert set(table.metadata.refs) == {"main", "refused_20260101_0123456789ab"}
    assert table.scan(snapshot_id=table.metadata.refs[branch].snapshot_id).count() == 1
    assert read_table_ledger("orders", table).refused == {FIRST: refusal}

    other = write_branch(catalog, orders, "audit_b_1", SECOND, key=2)
    publishing.publish(catalog, orders, other, [replace(RECORD, day=SECOND, snapshot_id=other)])
    assert branch in catalog.load_table(orders.name()).metadata.refs

    mended = write_branch(catalog, orders, "audit_c_1", FIRST, key=3)
    publishing.publish(catalog, orders, mended, [replace(RECORD, snapshot_id=mended)])
    table = catalog.load_table(orders.name())
    assert (set(table.metadata.refs), read_table_ledger("orders", table).refused) == ({"main"}, {})


def refuse(catalog: Catalog, orders: Table, run: str, content: str = "0123456789abcdef", key: int = 1) -> RefusedDay:
    """A run refuses the first day with this content and keeps what it wrote."""
    snapshot = write_branch(catalog, orders, f"audit_{run}_1", FIRST, key)
    branch = publishing.refused_branch(FIRST.isoformat(), content)
    refusal = RefusedDay("orders", FIRST, "too many unreadable rows", content, branch, run)
    publishing.record_refusals(catalog, orders, [refusal], snapshot, drop=f"audit_{run}_1")
    return refusal


def kept(catalog: Catalog, orders: Table) -> tuple[dict[date, RefusedDay], set[str]]:
    table = catalog.load_table(orders.name())
    return dict(read_table_ledger("orders", table).refused), set(table.metadata.refs) - {"main"}


@pytest.mark.parametrize("content", ["0123456789abcdef", "fedcba9876543210"], ids=["the same content", "other content"])
def test_a_day_that_is_refused_again_before_its_refusal_is_lifted_keeps_the_newer_one(
    catalog: Catalog, orders: Table, content: str
) -> None:
    seen = refuse(catalog, orders, "one")
    newer = refuse(catalog, orders, "two", content)
    assert publishing.lift_refusals(catalog, orders, [seen]) == ()
    assert kept(catalog, orders) == ({FIRST: newer}, {newer.branch})
    assert publishing.lift_refusals(catalog, orders, [newer]) == (newer,)
    assert kept(catalog, orders) == ({}, set())


@pytest.mark.parametrize("content", ["0123456789abcdef", "fedcba9876543210"], ids=["the same content", "other content"])
def test_a_day_that_is_refused_again_between_the_look_and_the_lifting_keeps_the_newer_one(
    catalog: Catalog, orders: Table, content: str
) -> None:
    seen = refuse(catalog, orders, "one")
    racing = LetsAnotherThrough(catalog, lambda: refuse(catalog, orders, "two", content))
    assert publishing.lift_refusals(racing, orders, [seen]) == ()  # type: ignore[arg-type]
    refused, branches = kept(catalog, orders)
    assert refused[FIRST].run_id == "two"
    assert branches == {refused[FIRST].branch}


def test_a_publication_does_not_lift_the_refusal_of_newer_content(catalog: Catalog, orders: Table) -> None:
    mended = write_branch(catalog, orders, "audit_a_1", FIRST, key=3)
    newer = refuse(catalog, orders, "two", "fedcba9876543210")
    record = replace(RECORD, snapshot_id=mended)
    with pytest.raises(PublishConflictError, match="another run has refused other content of 2026-01-01 meanwhile"):
        publishing.publish(catalog, orders, mended, [record], seen={})
    assert kept(catalog, orders)[0] == {FIRST: newer}
    publishing.publish(catalog, orders, mended, [record], seen={FIRST: newer})
    assert kept(catalog, orders) == ({}, set())


def test_a_branch_that_two_runs_left_of_one_day_goes_with_its_refusal(catalog: Catalog, orders: Table) -> None:
    refuse(catalog, orders, "one")
    publishing.start_branch(catalog, orders, publishing.refused_branch(FIRST.isoformat(), "fedcba9876543210"))
    mended = write_branch(catalog, orders, "audit_c_1", FIRST, key=3)
    publishing.publish(catalog, orders, mended, [replace(RECORD, snapshot_id=mended)])
    assert kept(catalog, orders) == ({}, set())


def test_records_of_a_month_stay_when_others_of_it_are_written(
    catalog: Catalog, orders: Table, local_settings: Settings
) -> None:
    days = [FIRST, SECOND, date(2026, 2, 1)]
    for key, day in enumerate(days):
        snapshot = write_branch(catalog, orders, f"audit_{key}_1", day, key)
        publishing.publish(catalog, orders, snapshot, [replace(RECORD, day=day, snapshot_id=snapshot)])
    head = publishing.main_snapshot(catalog.load_table(orders.name()))
    publishing.publish_in_place(catalog, orders, head, [replace(RECORD, day=THIRD, snapshot_id=head, published=0)])
    assert sorted(read_ledger(Lake.of(local_settings))["orders"].published) == [FIRST, SECOND, THIRD, date(2026, 2, 1)]


def test_days_are_complete_when_all_four_tables_have_published_them() -> None:
    every = {FIRST: RECORD, SECOND: RECORD}
    published = {"users": every, "products": every, "orders": every, "order_items": {SECOND: RECORD, THIRD: RECORD}}
    assert complete(published) == (SECOND,)
    assert complete({"orders": every}) == ()


def test_a_day_published_by_hand_is_stored_under_the_name_that_earlier_releases_read(
    catalog: Catalog, orders: Table
) -> None:
    by_hand = PublicationByHand("agreed", "ada", "2026-01-02T00:00:00+00:00", 7, "too many rows", 0)
    snapshot = write_branch(catalog, orders, "audit", FIRST)
    publishing.publish(catalog, orders, snapshot, [replace(RECORD, by_hand=by_hand)])
    published = catalog.load_table(orders.name())
    (stored,) = (value for value in published.properties.values() if '"agreed"' in value)
    assert '"override":{"reason":"agreed"' in stored
    assert '"by_hand"' not in stored
    assert read_table_ledger("orders", published).published[FIRST].by_hand == by_hand
