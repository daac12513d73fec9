{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of users, without deleted keys.
with events as (
    {{ events_with_moved_texts('users', source_columns()['users']) }}
),

ranked as (
    select
        id,
        {{ latest_text('email') }} as marked_email,
        {{ latest_text('first_name') }} as marked_first_name,
        {{ latest_text('last_name') }} as marked_last_name,
        created_at,
        updated_at,
        __op,
        {{ recency() }} as recency
    from events
)

select
    ranked.id,
    {{ unmark('ranked.marked_email') }} as email,
    {{ unmark('ranked.marked_first_name') }} as first_name,
    {{ unmark('ranked.marked_last_name') }} as last_name,
    ranked.created_at,
    ranked.updated_at
from ranked
where
    ranked.recency = 1
    and ranked.__op <> 'DELETE'
