{{ config(
    materialized='incremental',
    unique_key='date',
    alias='daily_business_metrics',
    cluster_by=['date'],
    meta={'published': true}
) }}

-- depends_on: {{ ref('base_landing_days') }}
-- depends_on: {{ ref('base_changed_keys') }}
with calendar as (
    {{ calendar() }}
),

affected_calendar as (
    select calendar.date
    from calendar
    {% if is_incremental() %}
    where
        calendar.date in ({{ affected_dates() }})
        or calendar.date not in (
            select existing.date
            from {{ this }} as existing
        )
    {% endif %}
),

orders as (
    select
        order_analytics.order_id,
        order_analytics.user_id,
        order_analytics.date,
        order_analytics.total_amount,
        order_analytics.total_items,
        order_analytics.is_revenue,
        order_analytics.is_completed,
        order_analytics.is_cancelled,
        order_analytics.is_new_customer
    from {{ ref('int_order_analytics') }} as order_analytics
    {% if is_incremental() %}
    where order_analytics.date >= {{ first_date_of_daily_business_metrics(this) }}
    {% endif %}
),

daily_orders as (
    select
        orders.date,
        count(distinct iff(orders.is_new_customer, orders.user_id, null)) as new_customers,
        count(distinct orders.user_id) as total_active_customers,
        count(*) as total_orders,
        count_if(orders.is_completed) as completed_orders,
        count_if(orders.is_cancelled) as cancelled_orders,
        count_if(orders.is_revenue) as purchases,
        coalesce(sum(iff(orders.is_revenue, orders.total_amount, null)), 0) as total_revenue,
        coalesce(
            sum(iff(orders.is_revenue and orders.is_new_customer, orders.total_amount, null)), 0
        ) as revenue_from_new_customers,
        sum(iff(orders.is_revenue, orders.total_items, 0)) as total_items_sold
    from orders
    group by orders.date
),

daily_products as (
    select
        orders.date,
        count(distinct order_items.product_id) as unique_products_sold
    from orders
    inner join {{ ref('stg_order_items_enhanced') }} as order_items
        on orders.order_id = order_items.order_id
    where
        orders.is_revenue
        {% if is_incremental() %}
        and order_items.order_id in (
            select dated.order_id
            from orders as dated
        )
        {% endif %}
    group by orders.date
)

select
    affected_calendar.date,
    cast(coalesce(daily_orders.new_customers, 0) as number(38, 0)) as new_customers,
    cast(
        coalesce(daily_orders.total_active_customers - daily_orders.new_customers, 0) as number(38, 0)
    ) as returning_customers,
    cast(coalesce(daily_orders.total_active_customers, 0) as number(38, 0)) as total_active_customers,
    cast(coalesce(daily_orders.total_orders, 0) as number(38, 0)) as total_orders,
    cast(coalesce(daily_orders.completed_orders, 0) as number(38, 0)) as completed_orders,
    cast(coalesce(daily_orders.cancelled_orders, 0) as number(38, 0)) as cancelled_orders,
    {{ ratio_or_zero('daily_orders.total_revenue', 'daily_orders.purchases', 2, 38) }} as avg_order_value,
    cast(coalesce(daily_orders.total_revenue, 0) as number(38, 2)) as total_revenue,
    cast(coalesce(daily_orders.revenue_from_new_customers, 0) as number(38, 2)) as revenue_from_new_customers,
    cast(
        coalesce(daily_orders.total_revenue - daily_orders.revenue_from_new_customers, 0) as number(38, 2)
    ) as revenue_from_returning_customers,
    cast(coalesce(daily_orders.total_items_sold, 0) as number(38, 0)) as total_items_sold,
    cast(coalesce(daily_products.unique_products_sold, 0) as number(38, 0)) as unique_products_sold,
    {{ ratio_or_zero('daily_orders.new_customers', 'daily_orders.total_active_customers', 4, 5) }}
        as customer_acquisition_rate,
    {{ ratio_or_zero('daily_orders.completed_orders', 'daily_orders.total_orders', 4, 5) }} as order_completion_rate,
    {{ ratio_or_zero('daily_orders.total_items_sold', 'daily_orders.purchases', 2, 38) }} as average_items_per_order,
    {{ audit_stamp() }} as created_at
from affected_calendar
left join daily_orders
    on affected_calendar.date = daily_orders.date
left join daily_products
    on affected_calendar.date = daily_products.date
