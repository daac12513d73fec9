from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from pyspark.errors import ArithmeticException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.figures.exact import hundredths, money, quotient

CASES = [
    ("0.00", 0),
    ("5.00", 0),
    ("10.00", 3),
    ("0.01", 2),  # a half, away from zero
    ("-0.01", 2),
    ("0.05", -2),
    ("-0.05", -2),
    ("2.00", 3),
    ("0.03", 8),
    ("9999999999999999.99", 1_000_000_000),
    # The widest line, twice, and what is left of one unit.
    ("429496729199999999957.05", 1),
    ("429496729199999999957.05", -7),
    # Just below a half: 3 digits too few in the quotient, and it rounds up.
    ("2000000.99", 400_000_199),
    (None, 3),
]


def test_a_quotient_is_rounded_once_half_away_from_zero(spark: SparkSession) -> None:
    rows = [(number, None if top is None else Decimal(top), below) for number, (top, below) in enumerate(CASES)]
    given = spark.createDataFrame(rows, "n int, a decimal(38,2), b bigint")
    quotients = given.select("n", quotient(F.col("a"), F.col("b"), 38, 2, numerator_scale=2).alias("q"))
    assert quotients.dtypes[1] == ("q", "decimal(38,2)")
    expected = [
        None if a is None else Decimal(0) if b == 0 else (a / b).quantize(Decimal("0.01"), ROUND_HALF_UP)
        for _, a, b in rows
    ]
    assert [row["q"] for row in quotients.orderBy("n").collect()] == expected


def test_a_ratio_of_counts_has_four_digits(spark: SparkSession) -> None:
    given = spark.createDataFrame([(1, 3), (2, 3), (0, 0), (7, 7), (1, 20_001), (2**62, 2**62)], "a bigint, b bigint")
    ratios = given.select(quotient(F.col("a"), F.col("b"), 5, 4).alias("q")).collect()
    assert [str(row["q"]) for row in ratios] == ["0.3333", "0.6667", "0.0000", "1.0000", "0.0000", "1.0000"]


def test_a_whole_quotient_needs_no_digits(spark: SparkSession) -> None:
    given = spark.createDataFrame([(5, 2), (4, 3)], "a bigint, b bigint")
    quotients = given.select(quotient(F.col("a"), F.col("b"), 5, 0).alias("q")).collect()
    assert [str(row["q"]) for row in quotients] == ["3", "1"]


def test_a_numerator_with_more_digits_than_its_quotient_is_refused(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="3 digits has no exact quotient of 2"):
        quotient(F.lit(1), F.lit(1), 10, 2, numerator_scale=3)


@pytest.mark.parametrize("amount", ["0.00", "0.01", "-0.01", "0.29", "-1.10", "99999999.99", "-99999999.99", None])
def test_money_goes_to_hundredths_and_back_unchanged(spark: SparkSession, amount: str | None) -> None:
    given = spark.createDataFrame([(None if amount is None else Decimal(amount),)], "a decimal(10,2)")
    amounts = given.select(hundredths(F.col("a")).alias("h"), money(hundredths(F.col("a"))).alias("m"))
    assert amounts.dtypes == [("h", "bigint"), ("m", "decimal(38,2)")]
    (row,) = amounts.collect()
    assert row["h"] == (None if amount is None else int(Decimal(amount) * 100))
    assert row["m"] == Decimal(amount or 0)


def test_the_greatest_sum_that_a_column_holds_is_exact_and_one_more_is_refused(spark: SparkSession) -> None:
    most = 10**38 - 1
    given = spark.createDataFrame([(Decimal(most),), (Decimal(-most),)], "h decimal(38,0)")
    assert [str(row["m"]) for row in given.select(money(F.col("h")).alias("m")).collect()] == [
        f"{'9' * 36}.99",
        f"-{'9' * 36}.99",
    ]
    with pytest.raises(ArithmeticException, match="NUMERIC_VALUE_OUT_OF_RANGE"):
        given.where("h > 0").select(money(F.col("h") + F.lit(1))).collect()


def test_a_quotient_that_does_not_fit_is_refused(spark: SparkSession) -> None:
    given = spark.createDataFrame([(100000, 1)], "a bigint, b bigint")
    with pytest.raises(ArithmeticException, match="NUMERIC_VALUE_OUT_OF_RANGE"):
        given.select(quotient(F.col("a"), F.col("b"), 5, 4)).collect()


def test_amounts_beyond_bigint_are_refused_and_never_wrong(spark: SparkSession) -> None:
    amounts = spark.createDataFrame([(2**62,), (2**62,)], "h bigint")
    with pytest.raises(ArithmeticException, match="OVERFLOW"):
        amounts.agg(F.sum("h")).collect()
