"""The oracle agrees with what was worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecommerce_platform_tests.end_to_end.cases.case import Case
from ecommerce_platform_tests.end_to_end.cases.catalogue import CASES
from ecommerce_platform_tests.end_to_end.compare import assert_same
from ecommerce_platform_tests.end_to_end.history import day, write_landing
from ecommerce_platform_tests.end_to_end.landing_decode import Counts
from ecommerce_platform_tests.end_to_end.oracle import KEYS, truth


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_oracle_says_what_was_worked_out_by_hand(case: Case, tmp_path: Path) -> None:
    computed = truth(write_landing(tmp_path, case.history.changes), case.days)

    for table, rows in case.expected.items():
        assert_same(computed.tables[table].to_pylist(), rows, KEYS[table], what=table, only_expected_columns=True)
    expected_counts = {(table, day(number)): counts for (table, number), counts in case.counts.items()}
    assert {key: computed.counts[key] for key in expected_counts} == expected_counts


def test_rows_landed_are_published_quarantined_or_duplicates(tmp_path: Path) -> None:
    for case in CASES:
        landing = write_landing(tmp_path / case.name.replace(" ", "-"), case.history.changes)
        counts: Counts
        for counts in truth(landing, case.days).counts.values():
            assert counts.landed == counts.published + counts.quarantined + counts.duplicates
