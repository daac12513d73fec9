"""Exact quotients in Spark: rounded once, half away from zero.

What belongs here: arithmetic that Spark's own operators get wrong. What does not: metrics.

Spark divides decimals at a scale that shrinks as the operands grow, down to 6 digits, and a second rounding to 2 digits then
goes astray near the halves. Whole numbers have no such trouble: the quotient is computed in units of its last digit.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812


def quotient(numerator: Column, divisor: Column, precision: int, scale: int, numerator_scale: int = 0) -> Column:
    """`numerator / divisor` as decimal(precision, scale), rounded once, half away from zero; 0 when the divisor is 0.

    `numerator` is a whole number, or a decimal of `numerator_scale` digits (not more than `scale`) within 16 digits before
    the point; `divisor` is a whole number. Null when either is null. A quotient that does not fit raises (ANSI mode).
    """
    if numerator_scale > scale:
        raise ValueError(f"a numerator of {numerator_scale} digits has no exact quotient of {scale} digits")
    # In units of the result's last digit, twice, so that the half is a whole number, too.
    units = (numerator * F.lit(10**scale)).cast("decimal(38,0)")
    parts = (units * F.lit(2)).cast("decimal(38,0)")
    whole = F.call_function("div", F.abs(parts) + F.abs(divisor), F.abs(divisor) * F.lit(2))
    sign = F.when((units < 0) == (divisor < 0), F.lit(1)).otherwise(F.lit(-1))
    exact = (whole * sign).cast("decimal(19,0)") * F.lit(f"1E-{scale}").cast(f"decimal({scale + 1},{scale})")
    return F.when(divisor == 0, F.lit(0)).otherwise(exact).cast(f"decimal({precision},{scale})")


def money(amount: Column) -> Column:
    """A sum of money as decimal(18,2); 0 when there was nothing to sum."""
    return F.coalesce(amount, F.lit(0)).cast("decimal(18,2)")


def count(amount: Column) -> Column:
    """A count, or a sum of whole numbers, as bigint; 0 when there was nothing to count."""
    return F.coalesce(amount, F.lit(0)).cast("bigint")
