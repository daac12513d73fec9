"""Random draws of the shop: seeded, and without a loop over rows.

What belongs here: the shapes of chance that several parts share. What does not: what is drawn.
"""

from __future__ import annotations

import zlib

import numpy as np

from ecommerce_platform.sample_shop.clock import Ints


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose: a change of one part of the shop does not stir the others."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def between(low: int | Ints, high: int | Ints, size: int, rng: np.random.Generator) -> Ints:
    """Uniform instants or durations in [low, high)."""
    return np.asarray(low + np.floor(rng.random(size) * (np.asarray(high) - low)), dtype=np.int64)


def skewed(counts: Ints, rng: np.random.Generator) -> Ints:
    """One position in [0, count) for each count; low positions are likelier, the first fifth gets half of the draws."""
    steepness = 3.0
    share = np.expm1(steepness * rng.random(len(counts))) / np.expm1(steepness)
    return np.floor(counts * share).astype(np.int64)
