"""What is cheaper: smaller buckets, or comparing rows one by one? Pure, from the share of rows that differ.

What belongs here: the relative costs, and the sizes that follow from them. What does not: the search itself (locate.py).

The unit is hashing one row in both engines. Rows that are fetched are hashed, too, and moved to this process and compared here.
"""

from __future__ import annotations

#: Moving and comparing the checksums of one row, and of one bucket (grouped in the engines, and more columns).
_MOVED_ROW = 2.0
_MOVED_BUCKET = 4.0
#: Rows in a bucket, from which the cheapest is chosen: powers of two.
_SIZES = tuple(2**power for power in range(3, 11))
#: A round of which more buckets than this differ says too little for what it costs.
_MOST = 0.7
#: When more buckets than this differ, their share says no more about rows.
_NEARLY_ALL = 0.95
#: From so many rows on, everything is sampled before the first round; below, a round costs little more than a question.
SAMPLE_FROM = 250_000
#: A sample: rows, in slices; with fewer rows than the fewest it says nothing, and more than the most are not fetched for it.
SAMPLED_ROWS = 1_024
SAMPLED_SLICES = 32
FEWEST_SAMPLED = 200
MOST_SAMPLED = 16_384
#: Differing buckets of one group whose rows are fetched by their ranges; with more of them the statements cost more than rows.
_MOST_BUCKETS_FETCHED = 2_000


def share_of_buckets(share: float, rows: float) -> float:
    """Share of buckets of `rows` rows that differ, when rows differ independently of each other."""
    return 1.0 - (1.0 - min(max(share, 0.0), 1.0)) ** rows


def most_buckets_differ(share: float, rows: float) -> bool:
    """Whether hashing buckets of `rows` rows would narrow the search very little."""
    return share_of_buckets(share, rows) > _MOST


def share_of_rows(share_of_buckets: float, rows: float) -> float | None:
    """Share of the rows of differing buckets that differ, by the share of all buckets that do; None when nearly all do."""
    if share_of_buckets > _NEARLY_ALL:
        return None
    of_all_rows = 1.0 - (1.0 - share_of_buckets) ** (1.0 / max(1.0, rows))
    return of_all_rows / share_of_buckets


def rows_in_a_bucket(share: float, rows: int) -> int | None:
    """The size of buckets that makes the next round over `rows` rows cheapest; None when comparing all rows is cheaper.

    A sample in which nothing differs allows for a row in four samples.
    """
    share = max(share, 0.25 / SAMPLED_ROWS)

    def cost(size: int) -> float:
        return 1.0 + _MOVED_BUCKET / size + share_of_buckets(share, size) * (1.0 + _MOVED_ROW)

    sizes = [size for size in _SIZES if share_of_buckets(share, size) * rows / size <= _MOST_BUCKETS_FETCHED]
    best = min(sizes, key=cost, default=None)
    return best if best is not None and cost(best) < 1.0 + _MOVED_ROW else None
