"""The two shops of the trials, and what is true of them.

Two shops, "a" and "b", have other events under the same keys on the same days. An installation is brought from one to the
other and back, so that each trial replaces all days by others, and what a kill left over of the one would show as a wrong
row in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecommerce_platform_tests.end_to_end.everything import LAST_DAY, everything
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.landing_decode import Landing, decode_landing
from ecommerce_platform_tests.end_to_end.oracle import Thresholds, Truth, compute

DAYS = tuple(day(number) for number in range(1, LAST_DAY + 1))
RANDOM_HISTORIES = 20


@dataclass(frozen=True)
class Shop:
    """Landing files, and what is true of them by the independent decoder and oracle."""

    landing: Path
    decoded: Landing
    truth: Truth


def write_shops(work: Path, seed: int) -> dict[str, Shop]:
    """The two shops' landing files. Shop "b" lacks a part of the histories that "a" has, and has others."""
    shops = {}
    for name, histories in (("a", seed), ("b", seed + 1)):
        landing = write_landing(work / f"landing-{name}", everything(RANDOM_HISTORIES, histories))
        decoded = decode_landing(landing, DAYS)
        shops[name] = Shop(landing, decoded, Truth(compute(decoded, Thresholds()), decoded.counts, decoded.applied))
    return shops
