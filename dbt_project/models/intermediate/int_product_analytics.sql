{{ config(
    materialized='incremental',
    unique_key=['date', 'product_id'],
    alias='int_product_analytics',
    cluster_by=['date']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_landing_days') }}
-- depends_on: {{ ref('base_orders') }}
-- depends_on: {{ ref('int_earlier_purchases') }}
-- From the first affected date on; who bought a product before is in int_earlier_purchases and the orders since.
{% if is_incremental() %}
{% set first_read = 'least(' ~ first_recent_date() ~ ', ' ~ first_affected_date_of_product_analytics() ~ ')' %}
{% endif %}
with purchases as (
    select
        order_analytics.date,
        order_analytics.order_id,
        order_analytics.user_id
    from {{ ref('int_order_analytics') }} as order_analytics
    where
        order_analytics.is_revenue
        and order_analytics.date is not null
        {% if is_incremental() %}
        and order_analytics.date >= {{ first_read }}
        {% endif %}
),

sales as (
    select
        purchases.date,
        order_items.product_id,
        purchases.order_id,
        purchases.user_id,
        order_items.quantity,
        order_items.line_total
    from purchases
    inner join {{ ref('stg_order_items_enhanced') }} as order_items
        on purchases.order_id = order_items.order_id
    where
        order_items.product_id is not null
        {% if is_incremental() %}
        and {{ is_line_of('purchases') }}
        {% endif %}
),

affected_sales as (
    select
        sales.date,
        sales.product_id,
        sales.order_id,
        sales.user_id,
        sales.quantity,
        sales.line_total
    from sales
    {% if is_incremental() %}
    where
        {{ affected_rows_of_int_product_analytics() }}
    {% endif %}
),

product_days as (
    select
        affected_sales.date,
        affected_sales.product_id,
        coalesce(sum(affected_sales.quantity), 0) as units_sold,
        coalesce(sum(affected_sales.line_total), 0) as total_revenue,
        count(distinct affected_sales.user_id) as unique_customers,
        count(distinct affected_sales.order_id) as total_orders
    from affected_sales
    group by
        affected_sales.date,
        affected_sales.product_id
),

buying_dates as (
    select
        sales.product_id,
        sales.user_id,
        sales.date
    from sales
    where sales.user_id is not null
    {% if is_incremental() %}
    union all
    select
        earlier_purchases.product_id,
        earlier_purchases.user_id,
        earlier_purchases.first_date as date
    from {{ ref('int_earlier_purchases') }} as earlier_purchases
    {% endif %}
),

first_purchases as (
    select
        buying_dates.product_id,
        buying_dates.user_id,
        min(buying_dates.date) as first_date
    from buying_dates
    group by
        buying_dates.product_id,
        buying_dates.user_id
),

new_buyers as (
    select
        first_purchases.first_date as date,
        first_purchases.product_id,
        count(*) as buyers
    from first_purchases
    group by
        first_purchases.first_date,
        first_purchases.product_id
)

select
    product_days.date,
    product_days.product_id,
    cast(product_days.units_sold as number(38, 0)) as units_sold,
    cast(product_days.total_revenue as number(38, 2)) as total_revenue,
    {{ ratio_or_zero('product_days.total_revenue', 'product_days.units_sold', 2, 38) }} as avg_selling_price,
    product_days.unique_customers,
    product_days.total_orders,
    product_days.unique_customers - coalesce(new_buyers.buyers, 0) as repeat_customers
from product_days
left join new_buyers
    on
        product_days.date = new_buyers.date
        and product_days.product_id = new_buyers.product_id
