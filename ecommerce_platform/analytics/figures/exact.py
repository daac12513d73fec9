"""Exact money in Spark: sums in hundredths, quotients rounded once, half away from zero.

What belongs here: arithmetic that Spark's own operators get wrong. What does not: metrics.

Spark divides decimals at a scale that shrinks as the operands grow, down to 6 digits, and a second rounding to 2 digits then
goes astray near the halves. Whole numbers have no such trouble: the quotient is computed in units of its last digit. Nor are they
slow: a sum of decimals has more than 18 digits, which Spark adds up as objects, and a sum of bigint is one instruction.
Amounts of orders are summed so: 900 million of the widest fit. A line is a product, of which a bigint does not hold one.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from ecommerce_platform.analytics.declared import MONEY_DIGITS


def quotient(numerator: Column, divisor: Column, precision: int, scale: int, numerator_scale: int = 0) -> Column:
    """`numerator / divisor` as decimal(precision, scale), rounded once, half away from zero; 0 when the divisor is 0.

    `numerator` is a whole number, or a decimal of `numerator_scale` digits (not more than `scale`) whose units of the last digit
    of the result stay below 10^31; `divisor` is a whole number. Null when either is null. A quotient that does not fit raises
    (ANSI mode).
    """
    if numerator_scale > scale:
        raise ValueError(f"a numerator of {numerator_scale} digits has no exact quotient of {scale} digits")
    # In units of the result's last digit, twice, so that the half is a whole number, too.
    units = (numerator.cast(f"decimal(38,{numerator_scale})") * F.lit(10**scale)).cast("decimal(38,0)")
    size = F.abs(divisor).cast("decimal(38,0)")
    parts = (units * F.lit(2)).cast("decimal(38,0)")
    rounded_up = (F.abs(parts) + size).cast("decimal(38,0)")
    double = F.nullif(size * F.lit(2), F.lit(0)).cast("decimal(38,0)")
    # `div` gives a bigint. A quotient without a remainder needs no digit after the point, at whatever scale Spark divides.
    whole = ((rounded_up - rounded_up % double) / double).cast("decimal(38,0)")
    sign = F.when((units < 0) == (divisor < 0), F.lit(1)).otherwise(F.lit(-1))
    exact = (whole * sign).cast("decimal(38,0)") * F.lit(f"1E-{scale}").cast(f"decimal({scale + 1},{scale})")
    return F.when(divisor == 0, F.lit(0)).otherwise(exact).cast(f"decimal({precision},{scale})")


def hundredths(amount: Column) -> Column:
    """Money of two digits after the point, decimal(16,2) at most, in hundredths as bigint, to be summed and given to `money`.

    A sum beyond bigint raises (ANSI mode); a product is made of decimals, which hold it.
    """
    return (amount * F.lit(100)).cast("bigint")


def money(amount: Column) -> Column:
    """Hundredths, a bigint or a decimal without digits after the point, as decimal(38,2); 0 when there was nothing to sum.

    What does not fit raises (ANSI mode).
    """
    exact = F.coalesce(amount, F.lit(0)).cast("decimal(38,0)") * F.lit("0.01").cast("decimal(2,2)")
    return exact.cast(f"decimal({MONEY_DIGITS},2)")


def count(amount: Column) -> Column:
    """A count, or a sum of whole numbers, as bigint; 0 when there was nothing to count."""
    return F.coalesce(amount, F.lit(0)).cast("bigint")
