{#-
    numerator / denominator, rounded once, half away from zero, to `scale` digits; null when the denominator is 0 or null.
    The numerator has `scale` digits after the point at most, the denominator none.

    Computed in whole numbers, in units of the last digit. Snowflake rounds a quotient of NUMBERs to a scale of its own before
    round() sees it; of a dividend without a remainder there is nothing to round, and it keeps 32 digits before the point.
    37 digits, because the embedded stand-in has a bigint for NUMBER(38, 0).
-#}
{% macro exact_ratio(numerator, denominator, scale, precision) -%}
    {%- set units = 'abs(cast((' ~ numerator ~ ') * ' ~ 10 ** scale ~ ' as number(37, 0)))' -%}
    {%- set divisor = 'abs(nullif(' ~ denominator ~ ', 0))' -%}
    {%- set rounded_up = '(' ~ units ~ ' * 2 + ' ~ divisor ~ ')' -%}
    cast(
        iff(({{ numerator }} < 0) = ({{ denominator }} < 0), 1, -1)
        * cast(({{ rounded_up }} - mod({{ rounded_up }}, {{ divisor }} * 2)) / ({{ divisor }} * 2) as number(37, 0))
        * cast('{{ '%.*f' | format(scale, 10 ** -scale) }}' as number({{ scale + 1 }}, {{ scale }}))
        as number({{ precision }}, {{ scale }})
    )
{%- endmacro %}


{#- The same, 0 where there is nothing to divide by. -#}
{% macro ratio_or_zero(numerator, denominator, scale, precision) -%}
    coalesce({{ exact_ratio(numerator, denominator, scale, precision) }}, 0)
{%- endmacro %}
