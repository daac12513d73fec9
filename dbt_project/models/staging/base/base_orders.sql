{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of orders, without deleted keys.
with events as (
    {{ events_with_moved_texts('orders', source_columns()['orders']) }}
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
        __source_ts_ms,
        {{ text_so_far('status') }} as marked_status_then,
        {{ recency() }} as recency
    from events
),

-- An event that leaves the status out has the status that it left as it was.
delivered as (
    select
        ranked.*,
        min(
            iff(
                ranked.__op <> 'DELETE' and {{ unmark('ranked.marked_status_then') }} = '{{ var("delivered_status") }}',
                ranked.__source_ts_ms, null
            )
        ) over (partition by ranked.id) as delivered_at
    from ranked
)

select
    delivered.id,
    delivered.user_id,
    {{ unmark('delivered.marked_status') }} as status,
    delivered.total_amount,
    {{ unmark('delivered.marked_shipping_address') }} as shipping_address,
    delivered.created_at,
    delivered.updated_at,
    to_date(delivered.created_at) as business_date,
    delivered.delivered_at
from delivered
where
    delivered.recency = 1
    and delivered.__op <> 'DELETE'
