{{
    config(
        materialized='table',
        post_hook="insert into {{ this }} (entity) select '{{ freeze_stamp() }}'",
    )
}}

-- depends_on: {{ ref('base_superseded_batches') }}
-- What this run has to compute again: keys with events in a pending day, or in a load that a later one replaced, and
-- what those events ever named. A full refresh computes everything and asks for nothing. One row more says which build
-- wrote the table, also where no key changed.
with touched as (
    {% for table in source_tables() %}
    select
        '{{ table }}' as entity,
        raw_events.id
    from {{ source('raw', table) }} as raw_events
    inner join {{ ref('base_landing_days') }} as landing_days
        on raw_events.date = landing_days.date
    where
        landing_days.table_name = '{{ table }}'
        and landing_days.is_pending

    union

    select
        '{{ table }}' as entity,
        superseded.id
    from {{ source('raw', 'superseded_' ~ table) }} as superseded
    union
    {% endfor %}

    -- The span of business dates ends later than it did for the last run: orders may have come into it.
    select
        'orders' as entity,
        raw_events.id
    from {{ source('raw', 'orders') }} as raw_events
    where
        to_date(raw_events.created_at) > {{ last_business_date('(
            select max(applied_days.date)
            from ' ~ applied_days() ~ ' as applied_days
        )') }}
        and {{ is_in_span('to_date(raw_events.created_at)') }}
),

-- A text that a key change left out comes from the old key's history, so the new key's row can change with events of
-- another key. Key changes that leave out a text are rare: when one of the keys beside such an INSERT was touched, all
-- rows of that table that came by one are computed again, however long the chain between them is.
{% for table in tables_with_texts() %}
{{ table }}_events as (
    select
        raw_events.id,
        raw_events.__op,
        raw_events.__source_lsn,
        raw_events.__source_ts_ms,
        {{ leaves_out_a_text(table) }} as leaves_out
    from {{ source('raw', table) }} as raw_events
    where raw_events.__op in ('INSERT', 'DELETE')
    union all
    select
        superseded.id,
        superseded.__op,
        superseded.__source_lsn,
        superseded.__source_ts_ms,
        {{ leaves_out_a_text(table) }} as leaves_out
    from {{ source('raw', 'superseded_' ~ table) }} as superseded
    where superseded.__op in ('INSERT', 'DELETE')
),

moved_{{ table }} as (
    select distinct
        moved.id,
        beside.id as id_beside
    from {{ table }}_events as moved
    inner join {{ table }}_events as beside
        on
            moved.__source_lsn = beside.__source_lsn
            and moved.__source_ts_ms = beside.__source_ts_ms
            and moved.id <> beside.id
    where moved.leaves_out
),
{% endfor %}

changed as (
    select
        touched.entity,
        touched.id
    from touched
    {% for table in tables_with_texts() %}
    union
    select
        '{{ table }}' as entity,
        moved_{{ table }}.id
    from moved_{{ table }}
    where
        exists (
            select 1
            from moved_{{ table }} as any_move
            inner join touched
                on any_move.id_beside = touched.id
            where touched.entity = '{{ table }}'
        )
    {% endfor %}
),

order_events as (
    select
        raw_events.id,
        raw_events.user_id,
        raw_events.created_at
    from {{ source('raw', 'orders') }} as raw_events
    union all
    select
        superseded.id,
        superseded.user_id,
        superseded.created_at
    from {{ source('raw', 'superseded_orders') }} as superseded
),

item_events as (
    select
        raw_events.id,
        raw_events.order_id
    from {{ source('raw', 'order_items') }} as raw_events
    union all
    select
        superseded.id,
        superseded.order_id
    from {{ source('raw', 'superseded_order_items') }} as superseded
),

named_by_orders as (
    select distinct
        order_events.user_id,
        to_date(order_events.created_at) as date
    from order_events
    where
        order_events.id in (
            select changed.id
            from changed
            where changed.entity = 'orders'
        )
),

named_by_items as (
    select distinct item_events.order_id
    from item_events
    where
        item_events.id in (
            select changed.id
            from changed
            where changed.entity = 'order_items'
        )
),

everything as (
    select
        changed.entity,
        changed.id,
        cast(null as date) as date
    from changed

    union

    select
        'users_of_orders' as entity,
        named_by_orders.user_id as id,
        cast(null as date) as date
    from named_by_orders
    where named_by_orders.user_id is not null

    union

    select
        'order_dates' as entity,
        cast(null as number(38, 0)) as id,
        named_by_orders.date
    from named_by_orders
    where named_by_orders.date is not null

    union

    select
        'orders_of_items' as entity,
        named_by_items.order_id as id,
        cast(null as date) as date
    from named_by_items
    where named_by_items.order_id is not null
)

select
    everything.entity,
    everything.id,
    everything.date
from everything
{% if flags.FULL_REFRESH %}
where false
{% endif %}
