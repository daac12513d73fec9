{#-
    Every date from the first to the last business date in the span of the orders in `relation` (column business_date).
    Written without recursion; its million days are more than the widest span that the settings allow.
-#}
{% macro calendar(relation) -%}
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
            min(orders.business_date) as first_date,
            max(orders.business_date) as last_date
        from {{ relation }} as orders
        where {{ is_in_span('orders.business_date') }}
    ) as span
    where thousands.n * 1000 + ones.n <= datediff('day', span.first_date, span.last_date)
{%- endmacro %}
