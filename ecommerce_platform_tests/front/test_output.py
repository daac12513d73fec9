from __future__ import annotations

from ecommerce_platform.commands.output import table_lines

CAUSE = "orders, date=2026-01-05/part-0.parquet: total_amount is decimal(76,38), expected decimal(10,2); write it again"
RECORDS = [
    {"table": "orders", "day": "2026-01-05", "cause": CAUSE, "rows": 30},
    {"table": "users", "day": "2026-01-06", "cause": None, "rows": None},
]


def test_a_table_fits_the_terminal_and_loses_no_word() -> None:
    lines = table_lines(RECORDS, 80)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["table", "day", "cause", "rows"]
    start = lines[0].index("cause")
    end = lines[0].index("rows")
    assert " ".join(line[start:end].strip() for line in lines[1:-1]) == CAUSE
    assert lines[-1].split() == ["users", "2026-01-06"]


def test_a_word_that_is_longer_than_its_column_is_parted() -> None:
    lines = table_lines([{"file": "a" * 100, "rows": 1}], 40)
    assert max(map(len, lines)) <= 40
    assert sum(line.count("a") for line in lines[1:]) == 100


def test_a_pipe_gets_a_line_a_row() -> None:
    lines = table_lines(RECORDS, None)
    assert len(lines) == 3
    assert CAUSE in lines[1]


def test_a_table_of_many_columns_stays_readable() -> None:
    lines = table_lines([{f"column {number}": "x" * 20 for number in range(20)}], 80)
    assert "column 0" in lines[0]
