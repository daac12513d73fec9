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


{#- An order's row concerns its user and of the user's earlier orders. -#}
{% macro affected_rows_of_stg_orders_enhanced() -%}
    id in ({{ changed_ids('orders') }})
    or user_id in ({{ changed_ids('users') }})
    or user_id in ({{ changed_ids('users', of='orders') }})
{%- endmacro %}


{#- An item's row concerns its order's time and its product's name, category and price history. -#}
{% macro affected_rows_of_stg_order_items_enhanced() -%}
    id in ({{ changed_ids('order_items') }})
    or order_id in ({{ changed_ids('orders') }})
    or product_id in ({{ changed_ids('products') }})
{%- endmacro %}


{% macro affected_rows_of_int_order_analytics() -%}
    order_id in ({{ changed_ids('orders') }})
    or order_id in ({{ changed_ids('orders', of='order_items') }})
    or user_id in ({{ changed_ids('users') }})
{%- endmacro %}


{#- Keyed by user: those changed, those whom changed orders ever named, and those of orders whose items changed. -#}
{% macro affected_rows_of_int_customer_metrics() -%}
    id in ({{ changed_ids('users') }})
    or id in ({{ changed_ids('users', of='orders') }})
    or id in (
        select orders.user_id
        from {{ ref('base_orders') }} as orders
        where
            orders.id in ({{ changed_ids('orders', of='order_items') }})
            and orders.user_id is not null
    )
{%- endmacro %}


{#- From the first affected date on: a later date counts repeat buyers by earlier ones. -#}
{% macro affected_rows_of_int_product_analytics() -%}
    date >= (
        select min(affected.date)
        from ({{ affected_dates(include_users=false) }}) as affected
        where {{ is_in_span('affected.date') }}
    )
{%- endmacro %}


{#- The affected dates, and what lies outside the first and last business date in the span. -#}
{% macro affected_rows_of_mart_daily_business_metrics() -%}
    date in (
        select affected.date
        from ({{ affected_dates() }}) as affected
        where affected.date is not null
    )
    or date not between
    (
        select coalesce(min(orders.business_date), to_date('9999-12-31'))
        from {{ ref('base_orders') }} as orders
        where {{ is_in_span('orders.business_date') }}
    )
    and (
        select coalesce(max(orders.business_date), to_date('0001-01-01'))
        from {{ ref('base_orders') }} as orders
        where {{ is_in_span('orders.business_date') }}
    )
{%- endmacro %}


{#- Every row is computed: a late event may move all later days. What did not change is not written. -#}
{% macro affected_rows_of_mart_customer_tier_analytics() -%}
    true
{%- endmacro %}


{% macro affected_rows_of_mart_product_performance() -%}
    true
{%- endmacro %}
