"""What a sample contains: its rows, its dirt, the faults planted in the speed layer. Kept as JSON beside the files.

What belongs here: frozen results and their JSON form. What does not: making them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

#: Counts by table (or kind) and day.
DailyCounts = Mapping[str, Mapping[date, int]]


@dataclass(frozen=True)
class PlantedFault:
    """One order that differs between the layers. The values are of `column`; None where the order or value is absent."""

    kind: str
    order_id: int
    business_date: date
    column: str | None
    speed_value: str | None
    batch_value: str | None

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "business_date": self.business_date.isoformat()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PlantedFault:
        return cls(**{**content, "business_date": date.fromisoformat(content["business_date"])})


@dataclass(frozen=True)
class MetricEffect:
    """What the faults make of one daily metric over all tiers; `percentage` is the difference in percent of batch."""

    business_date: date
    metric: str
    speed_value: Decimal
    batch_value: Decimal
    percentage: Decimal

    def as_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, str]) -> MetricEffect:
        return cls(
            date.fromisoformat(content["business_date"]),
            content["metric"],
            *(Decimal(content[name]) for name in ("speed_value", "batch_value", "percentage")),
        )


@dataclass(frozen=True)
class SampleReport:
    """What was written. `dirt[kind][table]` counts rows; `unreadable` the rows that must end in quarantine.

    `effects` has the metrics that the faults move at all, per business date. `kept` is true when the same sample was
    already there and nothing was written.
    """

    rows: DailyCounts
    unreadable: DailyCounts
    dirt: Mapping[str, Mapping[str, int]]
    faults: tuple[PlantedFault, ...]
    effects: tuple[MetricEffect, ...]
    files: int
    bytes: int
    realtime_rows: int
    kept: bool = False

    @property
    def total_rows(self) -> int:
        """Rows of all landing files."""
        return sum(count for days in self.rows.values() for count in days.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": _days_as_text(self.rows),
            "unreadable": _days_as_text(self.unreadable),
            "dirt": {kind: dict(tables) for kind, tables in self.dirt.items()},
            "faults": [fault.as_json() for fault in self.faults],
            "effects": [effect.as_json() for effect in self.effects],
            "file_count": self.files,
            "bytes": self.bytes,
            "realtime_rows": self.realtime_rows,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SampleReport:
        return cls(
            rows=_days_from_text(content["rows"]),
            unreadable=_days_from_text(content["unreadable"]),
            dirt=content["dirt"],
            faults=tuple(PlantedFault.from_json(fault) for fault in content["faults"]),
            effects=tuple(MetricEffect.from_json(effect) for effect in content["effects"]),
            files=content["file_count"],
            bytes=content["bytes"],
            realtime_rows=content["realtime_rows"],
        )

    def as_kept(self) -> SampleReport:
        return replace(self, kept=True)


def _days_as_text(counts: DailyCounts) -> dict[str, dict[str, int]]:
    return {table: {day.isoformat(): count for day, count in days.items()} for table, days in counts.items()}


def _days_from_text(counts: Mapping[str, Mapping[str, int]]) -> DailyCounts:
    return {table: {date.fromisoformat(day): count for day, count in days.items()} for table, days in counts.items()}
