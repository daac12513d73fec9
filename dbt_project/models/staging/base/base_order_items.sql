{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of order_items, without deleted keys.
with events as (
    {{ applied_events('order_items', source_columns()['order_items']) }}
),

ranked as (
    select
        id,
        order_id,
        product_id,
        quantity,
        unit_price,
        created_at,
        __op,
        {{ recency() }} as recency
    from events
)

select
    ranked.id,
    ranked.order_id,
    ranked.product_id,
    ranked.quantity,
    ranked.unit_price,
    ranked.created_at
from ranked
where
    ranked.recency = 1
    and ranked.__op <> 'DELETE'
