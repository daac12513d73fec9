"""All hand-checked cases and many random histories side by side in one landing zone, each with keys of its own.

What belongs here: putting histories next to each other, so that one run of the platform answers for all of them. What does
not: the histories (cases/ and properties/).
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ecommerce_platform_tests.end_to_end.cases.catalogue import CASES, UNREADABLE
from ecommerce_platform_tests.end_to_end.history import Change
from ecommerce_platform_tests.properties.random_history import random_changes

LAST_DAY = 6
KEYS_APART = 1_000
REFERENCES = ("id", "user_id", "order_id", "product_id")


def moved(change: Change, by: int) -> Change:
    """The same change of keys that lie `by` higher."""
    row = {
        name: value + by if name in REFERENCES and value is not None else value for name, value in change.row.items()
    }
    return replace(change, row=row)


def everything(random_histories: int, seed: int = 7) -> list[Change]:
    """Changes of days 1 to LAST_DAY: every case but the one that refuses a day, and `random_histories` drawn by `seed`."""
    random = Random(seed)
    histories = [case.history.changes for case in CASES if case is not UNREADABLE]
    histories += [random_changes(random) for _ in range(random_histories)]
    return [moved(change, number * KEYS_APART) for number, changes in enumerate(histories) for change in changes]
