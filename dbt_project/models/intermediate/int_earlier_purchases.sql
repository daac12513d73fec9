{{ config(
    materialized='incremental',
    unique_key=['user_id', 'product_id'],
    alias='int_earlier_purchases',
    cluster_by=['user_id']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_landing_days') }}
{% set end = end_of_earlier_purchases() %}
with orders as (
    select
        order_analytics.order_id,
        order_analytics.user_id,
        order_analytics.date
    from {{ ref('int_order_analytics') }} as order_analytics
    where
        order_analytics.is_revenue
        and order_analytics.user_id is not null
        and order_analytics.date < {{ end }}
        {% if is_incremental() %}
        and {{ affected_rows_of_int_earlier_purchases() }}
        {% endif %}
)

select
    orders.user_id,
    order_items.product_id,
    cast(coalesce(sum(order_items.quantity), 0) as number(38, 0)) as units,
    min(orders.date) as first_date,
    {{ end }} as end_date
from orders
inner join {{ ref('stg_order_items_enhanced') }} as order_items
    on orders.order_id = order_items.order_id
where order_items.product_id is not null
group by
    orders.user_id,
    order_items.product_id
