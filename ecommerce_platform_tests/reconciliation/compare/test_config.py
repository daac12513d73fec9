"""The file that describes a comparison: what it may say, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from ecommerce_platform.reconciliation.compare.config import load_comparison
from ecommerce_platform.reconciliation.model import ReconciliationError

WHOLE = """
name: orders of two shops
key: [shop, id]
columns:
  shop: {type: text}
  id: {type: integer}
  amount: {type: decimal, tolerance: 0.01, relative: 0.001, threshold: 0.05}
  paid_at: {type: timestamp, tolerance: 1}
clickhouse: {table: default.payments, columns: {id: payment_id}, where: "is_deleted = 0", final: true}
snowflake: {table: ANALYTICS.PAYMENTS}
limits: {findings: 100, seconds: 60}
results_table: RECONCILIATION.COMPARISONS
labels: {team: data}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "payments.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    comparison = load_comparison(write(tmp_path, WHOLE))
    assert [column.name for column in comparison.key_columns] == ["shop", "id"]
    assert [column.name for column in comparison.value_columns] == ["amount", "paid_at"]
    assert not comparison.numeric_key
    assert comparison.limits.rows == 20_000_000


WRONG = {
    "a type that there is not": ("{type: decimal, tol", "{type: money, tol", r"amount\.type: found 'money'; .*'decimal'"),
    "a missing table": ("{table: ANALYTICS.PAYMENTS}", "{where: a = 1}", r"snowflake\.table: is missing"),
    "a field that there is not": ("labels:", "label:", r"label: no such field"),
    "a key that is not a column": ("[shop, id]", "[shop, order]", r"key names 'order', .*; expected one of shop, id"),
    "a key named twice": ("[shop, id]", "[id, id]", r"names a column twice"),
    "no key": ("[shop, id]", "[]", r"key: found \[\]"),
    "a tolerance for text": ("shop: {type: text}", "shop: {type: text, tolerance: 1}", r"columns\.shop: a column of type text"),
    "a tolerance of the key": ("id: {type: integer}", "id: {type: integer, tolerance: 1}", r"'id' is part of the key and has a"),
    "a negative tolerance": ("tolerance: 0.01", "tolerance: -1", r"columns\.amount\.tolerance: found -1; .*greater than"),
    "a mapping of nothing": ("{id: payment_id}", "{number: payment_id}", r"clickhouse\.columns renames 'number'"),
    "two statements": ("is_deleted = 0", "1 = 1; drop table x", r"clickhouse\.where: expected one SQL condition"),
    "a table that is not a name": ("default.payments", "pay-ments", r"clickhouse\.table: found 'pay-ments'"),
    "a column that is not a name": ("  amount:", '  "a b":', r"'a b' is not a column name"),
    "no YAML": ("name:", "name: [", r"is not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_names_the_file_the_field_what_was_found_and_what_is_expected(tmp_path: Path, mistake: str) -> None:
    old, new, message = WRONG[mistake]
    assert old in WHOLE
    path = write(tmp_path, WHOLE.replace(old, new))
    with pytest.raises(ReconciliationError, match=message) as error:
        load_comparison(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_not_there_or_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(ReconciliationError, match="cannot be read"):
        load_comparison(tmp_path / "none.yaml")
    with pytest.raises(ReconciliationError, match="found list; expected fields: name, key, columns"):
        load_comparison(write(tmp_path, "- a"))
