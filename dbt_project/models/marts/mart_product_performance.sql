{{ config(
    materialized='incremental',
    unique_key=['date', 'product_id'],
    alias='product_performance',
    cluster_by=['date', 'category'],
    meta={'published': true}
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_landing_days') }}
-- From the first affected date on: a date's figures read the sales of the days before it, and the stock as it was last.
{% set first_affected = first_affected_date_of_product_performance() if is_incremental() %}
with product_days as (
    select product_analytics.*
    from {{ ref('int_product_analytics') }} as product_analytics
    {% if is_incremental() %}
    where product_analytics.date >= {{ first_affected }}
    {% endif %}
),

recent_sales as (
    select
        product_analytics.product_id,
        product_analytics.date,
        product_analytics.units_sold
    from {{ ref('int_product_analytics') }} as product_analytics
    {% if is_incremental() %}
    where product_analytics.date >= dateadd('day', -{{ var('recent_days') }}, {{ first_affected }})
    {% endif %}
),

-- Units of the last days: each sale enters the running sum on its day and leaves it when the window has passed.
entries as (
    select
        recent_sales.product_id,
        recent_sales.date,
        recent_sales.units_sold as units
    from recent_sales
    union all
    select
        recent_sales.product_id,
        cast(dateadd('day', {{ var('recent_days') }}, recent_sales.date) as date) as date,
        -recent_sales.units_sold as units
    from recent_sales
),

daily_entries as (
    select
        entries.product_id,
        entries.date,
        sum(entries.units) as units
    from entries
    group by
        entries.product_id,
        entries.date
),

recent_units as (
    select
        daily_entries.product_id,
        daily_entries.date,
        sum(daily_entries.units) over (
            partition by daily_entries.product_id
            order by daily_entries.date
            rows between unbounded preceding and current row
        ) as units
    from daily_entries
),

product_events as (
    {{ applied_events(
        'products', ['id', 'stock_quantity'], only_changed_keys=false,
        keys='select product_days.product_id from product_days' if is_incremental()
    ) }}
),

stock_days as (
    select
        product_events.id as product_id,
        to_date(product_events.__source_ts_ms) as date,
        product_events.stock_quantity
    from product_events
    where
        product_events.__op <> 'DELETE'
        and product_events.stock_quantity is not null
    qualify row_number() over (
        partition by product_events.id, to_date(product_events.__source_ts_ms)
        order by {{ history_order('desc') }}
    ) = 1
),

-- A sale's row reads the last stock at or before its day; at the same day the stock comes first.
stock_and_sales as (
    select
        stock_days.product_id,
        stock_days.date,
        stock_days.stock_quantity,
        0 as is_sale
    from stock_days
    union all
    select
        product_days.product_id,
        product_days.date,
        null as stock_quantity,
        1 as is_sale
    from product_days
),

stock as (
    select
        stock_and_sales.product_id,
        stock_and_sales.date,
        stock_and_sales.is_sale,
        last_value(stock_and_sales.stock_quantity) ignore nulls over (
            partition by stock_and_sales.product_id
            order by stock_and_sales.date, stock_and_sales.is_sale
            rows between unbounded preceding and current row
        ) as stock_quantity
    from stock_and_sales
),

ranked as (
    select
        product_days.date,
        product_days.product_id,
        product_days.units_sold,
        product_days.total_revenue,
        product_days.avg_selling_price,
        product_days.unique_customers,
        product_days.repeat_customers,
        products.name as product_name,
        products.category,
        stock.stock_quantity,
        recent_units.units as recent_units,
        rank() over (
            partition by product_days.date, products.category
            order by product_days.total_revenue desc
        ) as revenue_rank,
        rank() over (
            partition by product_days.date, products.category
            order by product_days.units_sold desc
        ) as units_rank,
        count(*) over (partition by product_days.date, products.category) as products_in_category
    from product_days
    left join {{ ref('stg_products_enhanced') }} as products
        on product_days.product_id = products.id
    left join stock
        on
            product_days.product_id = stock.product_id
            and product_days.date = stock.date
            and stock.is_sale = 1
    left join recent_units
        on
            product_days.product_id = recent_units.product_id
            and product_days.date = recent_units.date
)

select
    ranked.date,
    ranked.product_id,
    ranked.product_name,
    ranked.category,
    ranked.units_sold,
    ranked.total_revenue,
    ranked.avg_selling_price,
    ranked.unique_customers,
    ranked.repeat_customers,
    ranked.revenue_rank as revenue_rank_in_category,
    ranked.units_rank as units_rank_in_category,
    (
        ranked.revenue_rank = 1
        or {{ in_top_share('ranked.revenue_rank', 'ranked.products_in_category') }}
    ) as is_top_performer,
    ranked.stock_quantity as current_stock_level,
    case
        when ranked.recent_units > 0
            then {{ exact_ratio('ranked.stock_quantity * ' ~ var('recent_days'), 'ranked.recent_units', 0, 38) }}
    end as days_of_inventory_remaining,
    {{ audit_stamp() }} as created_at
from ranked
