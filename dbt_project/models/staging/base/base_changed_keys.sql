{{
    config(
        materialized='table',
        post_hook=[
            '{{ insert_dates_of_changed_orders() }}',
            "insert into {{ this }} (entity) select '{{ freeze_stamp() }}'",
        ],
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
        raw_events.created_at >= {{ date_constant(
            'select dateadd(\'day\', 1, ' ~ last_business_date('max(applied_days.date)') ~ ') from ' ~ applied_days()
            ~ ' as applied_days', '9999-12-31'
        ) }}
        and {{ is_in_span('to_date(raw_events.created_at)') }}
),

-- A text that a key change left out comes from the old key's history, so the new key's row can change with events of
-- another key. Key changes that leave out a text are rare: when one of the keys beside such an INSERT was touched, all
-- rows of that table that came by one are computed again, however long the chain between them is.
{% for table in tables_with_texts() %}
{% set marks = ['__op', '__source_lsn', '__source_ts_ms'] %}
{% set columns = (key_columns(table) + text_columns(table) + marks) | unique | list %}
{{ table }}__moving as (
    select
        {{ key_pair(table, 'events') }},
        events.__source_lsn,
        events.__source_ts_ms
    from ({{ events_ever_loaded(table, columns) }}) as events
    where {{ leaves_out_a_text(table) }}
),

{{ table }}__moved as (
    select distinct
        moving.id,
        moving.key_text,
        {{ key_value(table, 'beside') }} as key_beside
    from {{ table }}__moving as moving
    inner join ({{ events_ever_loaded(table, columns) }}) as beside
        on
            moving.__source_lsn = beside.__source_lsn
            and moving.__source_ts_ms = beside.__source_ts_ms
            and moving.{{ key_column(table) }} <> {{ key_value(table, 'beside') }}
    where beside.__op in ('INSERT', 'DELETE')
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

-- What the events of changed keys ever named.
{% for table in tables_with_foreign_keys() %}
{{ table }}__named as (
    {{ named_by(table, 'changed') }}
),
{% endfor %}

-- A product's history by time is as it was before its first new event, where each event has a place that does not
-- depend on others: an LSN, or a time that no other event of the product has.
product_histories as (
    select
        events.id,
        (
            count(events.__source_ts_ms) = count(*)
            and count_if(events.__source_lsn is null)
            = count(distinct iff(events.__source_lsn is null, events.__source_ts_ms, null))
            and count(distinct events.__source_ts_ms)
            = count(distinct iff(events.__source_lsn is null, events.__source_ts_ms, null))
            + count(distinct iff(events.__source_lsn is not null, events.__source_ts_ms, null))
        ) as keeps_order,
        min(iff(events.is_new, events.__source_ts_ms, null)) as first_new,
        min(
            iff(
                events.is_settled and events.__op <> 'DELETE' and events.price is not null,
                events.__source_ts_ms, null
            )
        ) as first_priced,
        count(distinct events.price) <> 1 or count(events.price) < count(*) as has_other_price
    from (
        {{ loaded_events('products', ['id', 'price', '__op', '__source_ts_ms', '__source_lsn']) }}
    ) as events
    where
        events.id in (
            select changed.id
            from changed
            where changed.entity = 'products'
        )
    group by events.id
),

keys as (
    select
        changed.entity,
        changed.id,
        changed.key_text
    from changed
    {% for table in tables_with_foreign_keys() %}
    {% for foreign_key in foreign_keys(table) %}
    {% set parent_key = table ~ '__named.parent_' ~ loop.index ~ '_' %}

    union

    select
        '{{ foreign_key.parent }}_of_{{ table }}' as entity,
        {{ parent_key }}id as id,
        {{ parent_key }}key_text as key_text
    from {{ table }}__named
    where {{ parent_key }}{{ key_column(foreign_key.parent) }} is not null
    {% endfor %}
    {% endfor %}
    {% for table, sets in watched_columns().items() %}
    {% set keys_of_table %}
    select changed.{{ key_column(table) }} from changed where changed.entity = '{{ table }}'
    {%- endset %}
    {% for name, columns in sets.items() %}

    union all

    select
        '{{ table }}_by_{{ name }}' as entity,
        {{ key_pair(table, 'others') }}
    from ({{ keys_with_other(table, columns, keys_of_table) }}) as others
    {% endfor %}
    {% endfor %}

    union all

    select
        iff(
            product_histories.keeps_order and product_histories.first_priced < product_histories.first_new,
            'products_by_price', 'products_by_first_price'
        ) as entity,
        product_histories.id,
        cast(null as string) as key_text
    from product_histories
    where product_histories.has_other_price
),

dates as (
    select
        'stock_dates' as entity,
        min(
            iff(product_histories.keeps_order, to_date(product_histories.first_new), to_date('0001-01-01'))
        ) as date
    from product_histories

    union all

    select
        'price_dates' as entity,
        min(to_date(product_histories.first_new)) as date
    from product_histories
),

everything as (
    select
        keys.entity,
        keys.id,
        keys.key_text,
        cast(null as date) as date
    from keys
    union all
    select
        dates.entity,
        cast(null as number(38, 0)) as id,
        cast(null as string) as key_text,
        dates.date
    from dates
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
