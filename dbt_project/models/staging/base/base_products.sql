{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of products, without deleted keys.
with events as (
    {{ events_with_moved_texts('products', source_columns()['products']) }}
),

ranked as (
    select
        id,
        {{ latest_text('name') }} as marked_name,
        {{ latest_text('description') }} as marked_description,
        price,
        stock_quantity,
        {{ latest_text('category') }} as marked_category,
        created_at,
        updated_at,
        __op,
        {{ recency() }} as recency
    from events
)

select
    ranked.id,
    {{ unmark('ranked.marked_name') }} as name,
    {{ unmark('ranked.marked_description') }} as description,
    ranked.price,
    ranked.stock_quantity,
    {{ unmark('ranked.marked_category') }} as category,
    ranked.created_at,
    ranked.updated_at
from ranked
where
    ranked.recency = 1
    and ranked.__op <> 'DELETE'
