{{ config(
    materialized='incremental',
    unique_key='id',
    alias='orders_enhanced',
    cluster_by=['to_date(created_at)', 'status']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
with orders as (
    select *
    from {{ ref('base_orders') }}
    {% if is_incremental() %}
    where
        {{ affected_rows_of_stg_orders_enhanced() }}
    {% endif %}
),

purchases as (
    select
        base_orders.user_id,
        base_orders.id,
        base_orders.created_at
    from {{ ref('base_orders') }} as base_orders
    where
        {{ status_in('base_orders.status', 'revenue_statuses') }}
        and base_orders.user_id in (
            select orders.user_id
            from orders
            where orders.user_id is not null
        )
),

-- Two aggregates: a window would sort all that these users ever bought.
first_times as (
    select
        purchases.user_id,
        min(purchases.created_at) as created_at
    from purchases
    group by purchases.user_id
),

first_purchases as (
    select
        first_times.user_id,
        first_times.created_at,
        min(purchases.id) as id
    from first_times
    inner join purchases
        on
            first_times.user_id = purchases.user_id
            and first_times.created_at = purchases.created_at
    group by
        first_times.user_id,
        first_times.created_at
)

select
    orders.id,
    orders.user_id,
    orders.status,
    orders.total_amount,
    orders.shipping_address,
    orders.created_at,
    orders.updated_at,
    {{ order_size_category('orders.total_amount') }} as order_size_category,
    case
        when {{ status_in('orders.status', 'completed_statuses') }}
            then datediff('day', orders.business_date, to_date(orders.delivered_at))
    end as days_to_fulfillment,
    coalesce(
        first_purchases.created_at < orders.created_at
        or (first_purchases.created_at = orders.created_at and first_purchases.id < orders.id),
        false
    ) as is_repeat_customer,
    (
        coalesce(orders.total_amount >= 0, false)
        and {{ status_in('orders.status', 'known_statuses') }}
        and users.id is not null
    ) as is_valid_order,
    {{ is_not_blank('orders.shipping_address') }} as has_shipping_address,
    {{ is_in_span('orders.business_date') }} as has_date_in_span,
    {{ audit_stamp() }} as processed_at
from orders
left join first_purchases
    on orders.user_id = first_purchases.user_id
left join {{ ref('base_users') }} as users
    on orders.user_id = users.id
