{{ config(
    materialized='incremental',
    unique_key='id',
    alias='int_customer_metrics'
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_orders') }}
with users as (
    select
        users_enhanced.id,
        users_enhanced.email,
        users_enhanced.first_name,
        users_enhanced.last_name
    from {{ ref('stg_users_enhanced') }} as users_enhanced
    {% if is_incremental() %}
    where
        {{ affected_rows_of_int_customer_metrics() }}
    {% endif %}
),

purchases as (
    select
        order_analytics.order_id,
        order_analytics.user_id,
        order_analytics.date,
        order_analytics.total_amount,
        order_analytics.total_items
    from {{ ref('int_order_analytics') }} as order_analytics
    inner join users
        on order_analytics.user_id = users.id
    where order_analytics.is_revenue
),

spending as (
    select
        purchases.user_id,
        count(*) as total_orders,
        coalesce(sum(purchases.total_amount), 0) as total_spent,
        min(purchases.date) as first_order_date,
        max(purchases.date) as last_order_date,
        count(purchases.date) as orders_in_span,
        coalesce(sum(iff(purchases.date is not null, purchases.total_amount, null)), 0) as spent_in_span,
        sum(purchases.total_items) as total_items_purchased
    from purchases
    group by purchases.user_id
),

recent_purchases as (
    select
        purchases.order_id,
        purchases.user_id
    from purchases
    where {{ is_recent('purchases.date') }}
),

bought_products as (
    select
        earlier_purchases.user_id,
        earlier_purchases.product_id
    from {{ ref('int_earlier_purchases') }} as earlier_purchases
    union all
    select
        recent_purchases.user_id,
        order_items.product_id
    from recent_purchases
    inner join {{ ref('stg_order_items_enhanced') }} as order_items
        on recent_purchases.order_id = order_items.order_id
    where
        {{ is_line_of('recent_purchases') }}
),

variety as (
    select
        bought_products.user_id,
        count(distinct bought_products.product_id) as unique_products_purchased
    from bought_products
    group by bought_products.user_id
)

select
    users.id,
    users.email,
    users.first_name,
    users.last_name,
    coalesce(spending.total_orders, 0) as total_orders,
    cast(coalesce(spending.total_spent, 0) as number(38, 2)) as total_spent,
    {{ ratio_or_zero('spending.total_spent', 'spending.total_orders', 2, 38) }} as avg_order_value,
    spending.first_order_date,
    spending.last_order_date,
    coalesce(variety.unique_products_purchased, 0) as unique_products_purchased,
    cast(coalesce(spending.total_items_purchased, 0) as number(38, 0)) as total_items_purchased,
    coalesce(spending.orders_in_span, 0) as orders_in_span,
    cast(coalesce(spending.spent_in_span, 0) as number(38, 2)) as spent_in_span
from users
left join spending
    on users.id = spending.user_id
left join variety
    on users.id = variety.user_id
