{#-
    Every date from the first to the last business date in the span of all orders.
    Written without recursion; its million days are more than the widest span that the settings allow.
-#}
{% macro calendar() -%}
    select cast(dateadd('day', thousands.n * 1000 + ones.n, span.first_date) as date) as date
    from (
        select row_number() over (order by seq4()) - 1 as n
        from table(generator(rowcount => 1000))
    ) as thousands
    cross join (
        select row_number() over (order by seq4()) - 1 as n
        from table(generator(rowcount => 1000))
    ) as ones
    cross join (
        select
            {{ end_of_business_dates('first') }} as first_date,
            {{ end_of_business_dates('last') }} as last_date
    ) as span
    where thousands.n * 1000 + ones.n <= datediff('day', span.first_date, span.last_date)
{%- endmacro %}


{#-
    The first or the last business date in the span of all orders; null when there is none. Sorted and cut, not min() or max():
    then engines read the ends of the table only.
-#}
{% macro end_of_business_dates(end) -%}
    (
        select order_analytics.date
        from {{ ref('int_order_analytics') }} as order_analytics
        where order_analytics.date is not null
        order by order_analytics.date {{ 'asc' if end == 'first' else 'desc' }}
        limit 1
    )
{%- endmacro %}
