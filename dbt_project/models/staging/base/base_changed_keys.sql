{{ config(materialized='table') }}

-- depends_on: {{ ref('base_superseded_batches') }}
-- What this run has to compute again: keys with events in a pending day, or in a load that a later one replaced, and
-- what those events ever named. A full refresh computes everything and asks for nothing.
with changed as (
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
    {% if not loop.last %}
    union
    {% endif %}
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
