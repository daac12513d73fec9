"""A notification, and its words for Slack and as plain JSON.

What belongs here: text. What does not: when one is due (watch.py) and how it gets there (receivers.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    DISCREPANCY_CONFIRMED = "discrepancy_confirmed"
    DAY_LATE = "day_late"


#: The runbook's section for each kind.
SECTION = {
    Kind.RUN_FAILED: "batchjobfailure",
    Kind.CHECK_FAILED: "checkfailed",
    Kind.DISCREPANCY_CONFIRMED: "highreconciliationdiscrepancy",
    Kind.DAY_LATE: "daylate",
}
_SEVERITY = {Kind.DISCREPANCY_CONFIRMED: "warning"}
_LONGEST_TEXT = 2500  # Slack takes 3,000 characters in a section


@dataclass(frozen=True)
class Notification:
    """One message. Two with the same `key` are the same news; `scope` is what must succeed for the news to be over."""

    key: str
    kind: Kind
    scope: str
    title: str
    text: str
    links: tuple[tuple[str, str], ...]
    happened_at: float
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> str:
        return _SEVERITY.get(self.kind, "critical")

    def to_record(self) -> dict[str, Any]:
        """As plain values, for storage; `from_record` reads it."""
        return asdict(self) | {"kind": self.kind.value, "facts": dict(self.facts)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Notification:
        links = tuple((str(label), str(url)) for label, url in record["links"])
        return cls(**{**record, "kind": Kind(record["kind"]), "links": links})


def as_json(notification: Notification) -> dict[str, Any]:
    """The body that a generic webhook gets. `key` lets the receiver drop what it has seen."""
    return {
        "version": 1,
        "key": notification.key,
        "kind": notification.kind.value,
        "severity": notification.severity,
        "title": notification.title,
        "text": notification.text,
        "happened_at": datetime.fromtimestamp(notification.happened_at, UTC).isoformat(timespec="seconds"),
        "links": [{"label": label, "url": url} for label, url in notification.links],
        "facts": dict(notification.facts),
    }


def as_slack(notification: Notification) -> dict[str, Any]:
    """The body of Slack's incoming webhook (and of those that take the same): a fallback text and two blocks."""
    sign = ":red_circle:" if notification.severity == "critical" else ":large_yellow_circle:"
    body = _escaped(notification.text)
    if len(body) > _LONGEST_TEXT:
        body = body[:_LONGEST_TEXT].rsplit("\n", 1)[0] + "\n…"
    links = " · ".join(f"<{url}|{_escaped(label)}>" for label, url in notification.links)
    title = f"{sign} *{_escaped(notification.title)}*"
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"{title}\n{body}"}},
    ]
    if links:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links}]})
    return {"text": notification.title, "blocks": blocks}


def _escaped(text: str) -> str:
    """Slack's three control characters, as its documentation asks."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
