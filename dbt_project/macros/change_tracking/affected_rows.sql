{#-
    For each model with the materialization `incremental`: which of its rows this run's changes may concern, as a condition
    on the model's own columns. The model's select computes at least the rows that this condition deletes and still exist.
-#}
{% macro affected_rows() -%}
    {%- set table = model['config']['meta'].get('source_table') -%}
    {{ return(affected_keys_of(table) if table else context['affected_rows_of_' ~ model['name']]()) }}
{%- endmacro %}


{#- A model of a source table's latest state: the keys that changed. -#}
{% macro affected_keys_of(table) -%}
    {{ key_value(table) }} in ({{ changed_ids(table) }})
{%- endmacro %}


{% macro affected_rows_of_base_snapshot_changes() -%}
    {%- for table in source_tables() %}
    {{ 'or ' if not loop.first }}(table_name = '{{ table }}' and {{ key_column(table) }} in ({{ changed_ids(table) }}))
    {%- endfor %}
{%- endmacro %}


{#-
    An order's row concerns whether its user is known, and which purchase of the user was the first: of a changed order's user the
    orders from the first date on that a changed order ever had. What lies before has no changed order before it.
-#}
{% macro affected_rows_of_stg_orders_enhanced() -%}
    id in (
        {{ changed_ids('orders') }}
        union
        {{ orders_of_users(changed_ids('users', by='registration')) }}
        union
        {{ orders_of_users(changed_ids('users', of='orders')) }}
        and known_orders.business_date >= {{ first_of(changed_order_dates()) }}
    )
{%- endmacro %}


{#-
    An item's row concerns its order's time and its product's name, category and price history: of a product of which only later prices
    may have changed, the items that were ordered since.
-#}
{% macro affected_rows_of_stg_order_items_enhanced() -%}
    {%- set first_price_date -%}
        {{ first_of("select changed.date from " ~ ref('base_changed_keys') ~ " as changed where changed.entity = 'price_dates'") }}
    {%- endset -%}
    id in (
        {{ changed_ids('order_items') }}
        union
        {{ items_of('order_id', changed_ids('orders')) }}
        union
        {{ items_of('product_id', changed_ids('products', by='name')) }}
        union
        {{ items_of('product_id', changed_ids('products', by='first_price')) }}
        union
        {{ items_of('product_id', changed_ids('products', by='price')) }}
        and items.order_id in (
            select known_orders.id
            from {{ ref('base_orders') }} as known_orders
            where known_orders.business_date >= {{ first_price_date }}
        )
        union
        {{ items_of('product_id', changed_ids('products', by='price')) }}
        and (items.created_at >= {{ first_price_date }} or items.created_at is null)
    )
{%- endmacro %}


{% macro affected_rows_of_int_order_analytics() -%}
    order_id in (
        {{ changed_ids('orders') }}
        union
        {{ changed_ids('orders', of='order_items') }}
        union
        {{ orders_of_users(changed_ids('users', by='registration')) }}
    )
{%- endmacro %}


{#- Keyed by user: those changed, those whom changed orders ever named, and those of orders whose items changed. -#}
{% macro affected_rows_of_int_customer_metrics() -%}
    id in (
        {{ changed_ids('users') }}
        union
        {{ changed_ids('users', of='orders') }}
        union
        select orders.user_id
        from {{ ref('base_orders') }} as orders
        where
            orders.id in ({{ changed_ids('orders', of='order_items') }})
            and orders.user_id is not null
    )
{%- endmacro %}


{#- From the first affected date on: a later date counts repeat buyers by earlier ones. -#}
{% macro affected_rows_of_int_product_analytics() -%}
    date >= {{ first_affected_date_of_product_analytics() }}
{%- endmacro %}


{% macro first_affected_date_of_product_analytics() -%}
    {{ first_of(dates_in_span(affected_dates(include_users=false))) }}
{%- endmacro %}


{#- The affected dates, and what lies outside the first and last business date in the span. -#}
{% macro affected_rows_of_mart_daily_business_metrics() -%}
    date in (
        select affected.date
        from ({{ affected_dates() }}) as affected
        where affected.date is not null
    )
    or date not between
    coalesce({{ end_of_business_dates('first') }}, to_date('9999-12-31'))
    and coalesce({{ end_of_business_dates('last') }}, to_date('0001-01-01'))
{%- endmacro %}


{#-
    A date before which the mart has no date to compute: neither an affected one nor one that is missing. What misses lies behind the
    last date, where the rows that are there have no gap and begin with the first date of an order.
-#}
{% macro first_date_of_daily_business_metrics(mart) -%}
    {%- set query -%}
        select
            least(
                coalesce((select min(affected.date) from ({{ affected_dates() }}) as affected), to_date('9999-12-31')),
                iff(
                    count(*) > 0
                    and count(*) = datediff('day', min(existing.date), max(existing.date)) + 1
                    and min(existing.date) <= {{ end_of_business_dates('first') }},
                    cast(dateadd('day', 1, max(existing.date)) as date),
                    to_date('0001-01-01')
                )
            ) as date
        from {{ mart }} as existing
    {%- endset -%}
    {{ date_constant(query, '0001-01-01') }}
{%- endmacro %}


{#- Every row is computed: a late event may move all later days. What did not change is not written. -#}
{% macro affected_rows_of_mart_customer_tier_analytics() -%}
    true
{%- endmacro %}


{% macro affected_rows_of_mart_product_performance() -%}
    date >= {{ first_affected_date_of_product_performance() }}
{%- endmacro %}


{#-
    The first date at which a sale or a stock may have changed, or at which a product was sold whose name or category may have: ranks
    are among the products of a category.
-#}
{% macro first_affected_date_of_product_performance() -%}
    {%- set affected -%}
        {{ dates_in_span(affected_dates(include_users=false)) }}
        union
        select changed.date
        from {{ ref('base_changed_keys') }} as changed
        where changed.entity = 'stock_dates'
        union
        select sold.date
        from {{ ref('int_product_analytics') }} as sold
        where sold.product_id in ({{ changed_ids('products', by='name') }})
    {%- endset -%}
    {{ first_of(affected) }}
{%- endmacro %}


{% macro changed_order_dates() -%}
    select changed.date
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity = 'order_dates'
{%- endmacro %}


{#- Keys of orders of the users that a query gives; more conditions on `known_orders` may follow. -#}
{% macro orders_of_users(users) -%}
    select known_orders.id
    from {{ ref('base_orders') }} as known_orders
    where known_orders.user_id in ({{ users }})
{%- endmacro %}


{#- Keys of items that refer to what a query gives; more conditions on `items` may follow. -#}
{% macro items_of(column, keys) -%}
    select items.id
    from {{ ref('base_order_items') }} as items
    where items.{{ column }} in ({{ keys }})
{%- endmacro %}


{% macro dates_in_span(dates) -%}
    select affected.date
    from ({{ dates }}) as affected
    where {{ is_in_span('affected.date') }}
{%- endmacro %}
