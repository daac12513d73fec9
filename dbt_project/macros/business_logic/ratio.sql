{#-
    numerator / denominator, rounded once, half away from zero, to `scale` digits; null when the denominator is 0 or null.

    Snowflake rounds a quotient of NUMBERs to a scale of its own (6 more digits than the dividend, 12 at most) before round()
    sees it. With 12 digits this first rounding cannot reach a half: a numerator of s digits that is no half itself keeps a
    distance of 1 / (2 * 10^s * denominator) from one, which is more than 10^-12 for every denominator below 10^7.
    The embedded stand-in keeps 15 significant digits, enough by the same count for the sums of a shop.
-#}
{% macro exact_ratio(numerator, denominator, scale, precision) -%}
    cast(
        round(
            cast({{ numerator }} as number(38, 12)) / nullif({{ denominator }}, 0), {{ scale }}
        ) as number({{ precision }}, {{ scale }})
    )
{%- endmacro %}


{#- The same, 0 where there is nothing to divide by. -#}
{% macro ratio_or_zero(numerator, denominator, scale, precision) -%}
    coalesce({{ exact_ratio(numerator, denominator, scale, precision) }}, 0)
{%- endmacro %}
