"""What a hand-checked case is: a history, the days applied, and rows worked out on paper.

What belongs here: the shape of a case. What does not: the cases (the modules beside this one).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ecommerce_platform_tests.end_to_end.history import History, day
from ecommerce_platform_tests.end_to_end.landing_decode import Counts

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """`expected` names all rows of a table, and of each row the columns that the case is about.

    `days` counts from 1 to `last_day` of January 2026.
    """

    name: str
    history: History
    last_day: int
    expected: dict[str, Rows]
    counts: dict[tuple[str, int], Counts] = field(default_factory=dict)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(day(number) for number in range(1, self.last_day + 1))
