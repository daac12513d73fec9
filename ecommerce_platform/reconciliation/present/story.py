"""An order's whole story across both layers: every event and version, where each came from, and how they compare now.

What belongs here: gathering and writing. What does not: reasons (explain.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ecommerce_platform.contracts import HIDDEN, personal_names
from ecommerce_platform.reconciliation.layers.both import Layers
from ecommerce_platform.reconciliation.model import BatchEvent, Discrepancy, Finding, OrderVersion, Reason
from ecommerce_platform.reconciliation.reconcile import explain_orders
from ecommerce_platform.reconciliation.record.storage import Store
from ecommerce_platform.reconciliation.verdicts.explain import plain


@dataclass(frozen=True)
class OrderStory:
    """What is known of an order. `finding` is None when the layers agree on it now."""

    order_id: int
    events: tuple[BatchEvent, ...]
    batch: OrderVersion | None
    speed: OrderVersion | None
    speed_versions: tuple[OrderVersion, ...]
    finding: Finding | None
    episodes: tuple[Discrepancy, ...]
    cut_off: datetime | None
    personal: frozenset[str] = frozenset()


def order_story(layers: Layers, store: Store, order_id: int) -> OrderStory:
    """The order as both layers have it now, with its change events and its earlier discrepancies."""
    cut_off = layers.batch.cut_off()
    history = layers.batch.history([order_id])
    return OrderStory(
        order_id=order_id,
        events=tuple(history.get(order_id, ())),
        batch=layers.batch.versions([order_id], history).get(order_id),
        speed=layers.speed.versions([order_id]).get(order_id),
        speed_versions=layers.speed.stored_versions(order_id),
        finding=explain_orders(layers, [order_id], cut_off).get(order_id),
        episodes=tuple(store.discrepancies_of_order(order_id)),
        cut_off=cut_off,
        personal=personal_names([layers.batch.contract]),
    )


def tell(story: OrderStory) -> list[str]:
    """The story in lines, oldest first."""
    if not story.events and not story.speed_versions:
        return [f"Order {story.order_id}: neither layer has ever seen it."]
    lines = [f"Order {story.order_id}, batch layer as of {plain(story.cut_off) or 'no event'} (UTC)"]
    lines += ["", "Change events in the batch layer:"]
    lines += [f"  {line}" for line in _event_lines(story)] or ["  none"]
    lines += ["", "Versions in the speed layer:"]
    lines += [f"  {_version_line(version, story.personal)}" for version in story.speed_versions] or ["  none"]
    lines += ["", f"Verdict: {_verdict(story.finding)}"]
    if story.episodes:
        lines += ["", "Discrepancies so far:"]
        lines += [f"  {_episode_line(item)}" for item in story.episodes]
    return lines


def _event_lines(story: OrderStory) -> list[str]:
    """Each event with what it changed and where it came from."""
    lines = []
    before: BatchEvent | None = None
    for event in story.events:
        changed = [
            f"{name}={_shown(name, value, story.personal)}"
            for name, value in event.values.items()
            if not event.deletes and (before is None or before.deletes or before.values.get(name) != value)
        ]
        lines.append(
            f"{plain(event.event_time)}  {event.op:<6}  {_lsn(event)}  {', '.join(changed) or '(no column changed)'}"
            if not event.deletes
            else f"{plain(event.event_time)}  {event.op:<6}  {_lsn(event)}"
        )
        lines.append(
            f"    from {event.source_file} row {event.source_row}, snapshot {event.snapshot_id}, load {event.batch_id}"
        )
        before = event
    return lines


def _lsn(event: BatchEvent) -> str:
    """The event's LSN, or, of a snapshot row that has none, the one that it stands after."""
    if event.lsn is not None:
        return f"LSN {event.lsn}"
    return "no LSN" if event.effective_lsn is None else f"no LSN, after {event.effective_lsn}"


def _version_line(version: OrderVersion, personal: frozenset[str]) -> str:
    head = f"{plain(version.event_time)}  LSN {version.lsn}"
    if version.values is None:
        return f"{head}  deleted"
    return f"{head}  " + ", ".join(f"{name}={_shown(name, value, personal)}" for name, value in version.values.items())


def _shown(name: str, value: object, personal: frozenset[str]) -> str:
    if name in personal:
        return HIDDEN
    return str(plain(value))  # type: ignore[arg-type]


def _verdict(finding: Finding | None) -> str:
    if finding is None:
        return "the layers agree"
    if finding.reason is Reason.LAG:
        return "lag: the speed layer is ahead of the batch layer's cut-off"
    detail = f" ({finding.detail})" if finding.detail else ""
    return f"{finding.reason.value}: speed {finding.speed_value}, batch {finding.batch_value}{detail}"


def _episode_line(item: Discrepancy) -> str:
    seen = f"first seen {plain(item.first_seen)}, last {plain(item.last_seen)}"
    healed = f", healed {plain(item.healed_at)}" if item.healed_at else ""
    return f"{item.finding.reason.value}, {item.state.value}: {seen}{healed}"
