{#-
    numerator / denominator, rounded once, half away from zero, to `scale` digits; null when the denominator is 0 or null.

    Exact on every engine: Snowflake rounds a quotient of NUMBERs to a scale of its own before any round() sees it, and the
    embedded stand-in divides in DOUBLE. So the quotient is made whole first (2n + d, less its remainder by 2d, is a
    multiple of 2d), and a whole quotient below 2^53 is exact in both. The numerator has at most `scale` digits after the
    point, the denominator none.
-#}
{% macro exact_ratio(numerator, denominator, scale, precision) -%}
    {%- set shift = '1' ~ '0' * scale -%}
    {%- set unit = '1' if scale == 0 else '0.' ~ '0' * (scale - 1) ~ '1' -%}
    {%- set n = 'cast((' ~ numerator ~ ') * ' ~ shift ~ ' as number(38, 0))' -%}
    {%- set d = 'nullif(cast((' ~ denominator ~ ') as number(38, 0)), 0)' -%}
    {%- set doubled = '2 * abs(' ~ n ~ ') + abs(' ~ d ~ ')' -%}
    cast(
        sign({{ n }}) * sign({{ d }})
        * cast(round((({{ doubled }}) - mod({{ doubled }}, 2 * abs({{ d }}))) / (2 * abs({{ d }}))) as number(38, 0))
        * cast({{ unit }} as number({{ scale + 1 }}, {{ scale }}))
        as number({{ precision }}, {{ scale }})
    )
{%- endmacro %}


{#- The same, 0 where there is nothing to divide by. -#}
{% macro ratio_or_zero(numerator, denominator, scale, precision) -%}
    coalesce({{ exact_ratio(numerator, denominator, scale, precision) }}, 0)
{%- endmacro %}
