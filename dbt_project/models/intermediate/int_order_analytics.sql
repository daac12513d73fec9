{{ config(
    materialized='incremental',
    unique_key='order_id',
    alias='int_order_analytics',
    cluster_by=['date']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_orders') }}
-- One row an order, with its items folded in: nothing downstream sums an order's amount across a join to its items.
-- An order outside the span of business dates has no date here, and so no part in what is by date.
with orders as (
    select
        orders_enhanced.id as order_id,
        orders_enhanced.user_id,
        iff(orders_enhanced.has_date_in_span, to_date(orders_enhanced.created_at), null) as date,
        orders_enhanced.status,
        orders_enhanced.total_amount
    from {{ ref('stg_orders_enhanced') }} as orders_enhanced
),

affected_orders as (
    select
        orders.order_id,
        orders.user_id,
        orders.date,
        orders.status,
        orders.total_amount
    from orders
    {% if is_incremental() %}
    where
        {{ affected_rows_of_int_order_analytics() }}
    {% endif %}
),

items as (
    select
        order_items.order_id,
        count(*) as item_count,
        sum(order_items.quantity) as total_items,
        sum(order_items.line_total) as items_total
    from {{ ref('stg_order_items_enhanced') }} as order_items
    {% if is_incremental() %}
    where
        order_items.order_id in (
            select affected_orders.order_id
            from affected_orders
        )
    {% endif %}
    group by order_items.order_id
)

select
    affected_orders.order_id,
    affected_orders.user_id,
    affected_orders.date,
    affected_orders.status,
    affected_orders.total_amount,
    {{ status_in('affected_orders.status', 'revenue_statuses') }} as is_revenue,
    {{ status_in('affected_orders.status', 'completed_statuses') }} as is_completed,
    coalesce(affected_orders.status = '{{ var("cancelled_status") }}', false) as is_cancelled,
    coalesce(to_date(users.created_at) = affected_orders.date, false) as is_new_customer,
    coalesce(items.item_count, 0) as item_count,
    cast(coalesce(items.total_items, 0) as number(38, 0)) as total_items,
    cast(coalesce(items.items_total, 0) as number(38, 2)) as items_total
from affected_orders
left join {{ ref('stg_users_enhanced') }} as users
    on affected_orders.user_id = users.id
left join items
    on affected_orders.order_id = items.order_id
