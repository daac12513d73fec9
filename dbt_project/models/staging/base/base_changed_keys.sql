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
{% set business_dates = {'orders': 'created_at'} %}
with touched as (
    {% for table in source_tables() %}
    select
        '{{ table }}' as entity,
        {{ key_pair(table, 'raw_events') }}
    from {{ source('raw', table) }} as raw_events
    inner join {{ ref('base_landing_days') }} as landing_days
        on raw_events.date = landing_days.date
    where
        landing_days.table_name = '{{ table }}'
        and landing_days.is_pending

    union

    select
        '{{ table }}' as entity,
        {{ key_pair(table, 'superseded') }}
    from {{ source('raw', 'superseded_' ~ table) }} as superseded
    union
    {% endfor %}

    -- The span of business dates ends later than it did for the last run: orders may have come into it.
    select
        'orders' as entity,
        {{ key_pair('orders', 'raw_events') }}
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
{{ table }}__events as (
    select
        {{ key_pair(table, 'raw_events') }},
        raw_events.__op,
        raw_events.__source_lsn,
        raw_events.__source_ts_ms,
        {{ leaves_out_a_text(table) }} as leaves_out
    from {{ source('raw', table) }} as raw_events
    where raw_events.__op in ('INSERT', 'DELETE')
    union all
    select
        {{ key_pair(table, 'superseded') }},
        superseded.__op,
        superseded.__source_lsn,
        superseded.__source_ts_ms,
        {{ leaves_out_a_text(table) }} as leaves_out
    from {{ source('raw', 'superseded_' ~ table) }} as superseded
    where superseded.__op in ('INSERT', 'DELETE')
),

{{ table }}__moved as (
    select distinct
        moved.id,
        moved.key_text,
        beside.{{ key_column(table) }} as key_beside
    from {{ table }}__events as moved
    inner join {{ table }}__events as beside
        on
            moved.__source_lsn = beside.__source_lsn
            and moved.__source_ts_ms = beside.__source_ts_ms
            and moved.{{ key_column(table) }} <> beside.{{ key_column(table) }}
    where moved.leaves_out
),
{% endfor %}

changed as (
    select
        touched.entity,
        touched.id,
        touched.key_text
    from touched
    {% for table in tables_with_texts() %}
    union
    select
        '{{ table }}' as entity,
        {{ table }}__moved.id,
        {{ table }}__moved.key_text
    from {{ table }}__moved
    where
        exists (
            select 1
            from {{ table }}__moved as any_move
            inner join touched
                on any_move.key_beside = touched.{{ key_column(table) }}
            where touched.entity = '{{ table }}'
        )
    {% endfor %}
),

-- What the events of changed keys ever named: keys of other tables, and business dates.
{% for table in tables_with_foreign_keys() %}
{{ table }}__named as (
    {{ named_by(table, 'changed', business_dates.get(table)) }}
),
{% endfor %}

everything as (
    select
        changed.entity,
        changed.id,
        changed.key_text,
        cast(null as date) as date
    from changed
    {% for table in tables_with_foreign_keys() %}
    {% for foreign_key in foreign_keys(table) %}
    {% set parent_key = table ~ '__named.parent_' ~ loop.index ~ '_' %}

    union

    select
        '{{ foreign_key.parent }}_of_{{ table }}' as entity,
        {{ parent_key }}id as id,
        {{ parent_key }}key_text as key_text,
        cast(null as date) as date
    from {{ table }}__named
    where {{ parent_key }}{{ key_column(foreign_key.parent) }} is not null
    {% endfor %}
    {% if table in business_dates %}

    union

    select
        'order_dates' as entity,
        cast(null as number(38, 0)) as id,
        cast(null as string) as key_text,
        {{ table }}__named.business_date as date
    from {{ table }}__named
    where {{ table }}__named.business_date is not null
    {% endif %}
    {% endfor %}
)

select
    everything.entity,
    everything.id,
    everything.key_text,
    everything.date
from everything
{% if flags.FULL_REFRESH %}
where false
{% endif %}
