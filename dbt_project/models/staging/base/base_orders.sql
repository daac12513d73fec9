{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of orders, without deleted keys.
with events as (
    {{ events_with_moved_texts('orders', [
        'id', 'user_id', 'status', 'total_amount',
        'shipping_address', 'created_at', 'updated_at'
    ]) }}
),

ranked as (
    select
        id,
        user_id,
        {{ latest_text('status') }} as marked_status,
        total_amount,
        {{ latest_text('shipping_address') }} as marked_shipping_address,
        created_at,
        updated_at,
        __op,
        min(
            iff(__op <> 'DELETE' and status = '{{ var("delivered_status") }}', __source_ts_ms, null)
        ) over (partition by id) as delivered_at,
        {{ recency() }} as recency
    from events
)

select
    ranked.id,
    ranked.user_id,
    {{ unmark('ranked.marked_status') }} as status,
    ranked.total_amount,
    {{ unmark('ranked.marked_shipping_address') }} as shipping_address,
    ranked.created_at,
    ranked.updated_at,
    to_date(ranked.created_at) as business_date,
    ranked.delivered_at
from ranked
where
    ranked.recency = 1
    and ranked.__op <> 'DELETE'
