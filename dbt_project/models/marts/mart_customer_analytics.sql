{{ config(
    materialized='table',
    alias='customer_analytics',
    cluster_by=['customer_tier', 'is_active']
) }}

-- Rebuilt each time from one row a customer: who is active or at risk moves with the as-of day.
with customers as (
    select
        users.id as customer_id,
        users.email,
        users.full_name,
        to_date(users.created_at) as registration_date,
        users.days_since_registration,
        users.customer_tier,
        metrics.first_order_date,
        metrics.last_order_date,
        metrics.total_orders,
        metrics.total_spent,
        metrics.avg_order_value,
        metrics.total_items_purchased,
        metrics.orders_in_span,
        metrics.spent_in_span,
        {{ as_of_day() }} as as_of_day
    from {{ ref('stg_users_enhanced') }} as users
    inner join {{ ref('int_customer_metrics') }} as metrics
        on users.id = metrics.id
),

recent_purchases as (
    select
        order_analytics.order_id,
        order_analytics.user_id
    from {{ ref('int_order_analytics') }} as order_analytics
    where
        order_analytics.is_revenue
        and {{ is_recent('order_analytics.date') }}
),

bought_units as (
    select
        earlier_purchases.user_id,
        earlier_purchases.units,
        products.category
    from {{ ref('int_earlier_purchases') }} as earlier_purchases
    inner join {{ ref('stg_products_enhanced') }} as products
        on earlier_purchases.product_id = products.id
    union all
    select
        recent_purchases.user_id,
        order_items.quantity as units,
        order_items.product_category as category
    from recent_purchases
    inner join {{ ref('stg_order_items_enhanced') }} as order_items
        on recent_purchases.order_id = order_items.order_id
    where
        {{ is_line_of('recent_purchases') }}
),

category_units as (
    select
        bought_units.user_id,
        bought_units.category as product_category,
        coalesce(sum(bought_units.units), 0) as units
    from bought_units
    where bought_units.category is not null
    group by
        bought_units.user_id,
        bought_units.category
),

favorites as (
    select
        category_units.user_id,
        category_units.product_category as favorite_category
    from category_units
    qualify row_number() over (
        partition by category_units.user_id
        order by category_units.units desc, category_units.product_category asc
    ) = 1
)

select
    customers.customer_id,
    customers.email,
    customers.full_name,
    customers.registration_date,
    customers.days_since_registration,
    customers.first_order_date,
    customers.last_order_date,
    customers.total_orders,
    customers.total_spent,
    customers.avg_order_value,
    {{ exact_ratio(
        "datediff('day', customers.first_order_date, customers.last_order_date)", 'customers.orders_in_span - 1', 1, 7
    ) }} as avg_days_between_orders,
    favorites.favorite_category,
    customers.total_items_purchased,
    customers.customer_tier,
    coalesce(
        customers.last_order_date > dateadd('day', -{{ var('active_days') }}, customers.as_of_day), false
    ) as is_active,
    coalesce(
        datediff('day', customers.last_order_date, customers.as_of_day) >= {{ var('at_risk_days') }}, false
    ) as is_at_risk,
    {{ ratio_or_zero(
        'customers.spent_in_span * 365',
        "greatest(1, datediff('day', customers.first_order_date, customers.as_of_day) + 1)", 2, 38
    ) }} as predicted_ltv,
    {{ audit_stamp() }} as last_updated
from customers
left join favorites
    on customers.customer_id = favorites.user_id
