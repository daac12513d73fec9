{{ config(materialized='table') }}

-- What a key change's INSERT stands for where it leaves out a text: the old key's text before its DELETE, through as
-- many key changes as there were. Null when no event shows it. Computed from all applied events each time: it
-- depends on other keys.
{% set texts = {} %}
{% for table in tables_with_texts() %}
{% do texts.update({table: text_columns(table)}) %}
{% endfor %}
with recursive moving as (
    {% for table, columns in texts.items() %}
    select distinct
        '{{ table }}' as table_name,
        events.__source_lsn,
        events.__source_ts_ms
    from (
        {{ applied_events(table, columns, only_changed_keys=false, in_order=false) }}
    ) as events
    where
        {{ leaves_out_a_text(table) }}
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

places as (
    select distinct
        moving.table_name,
        moving.__source_lsn,
        moving.__source_ts_ms
    from moving
),

-- Everything that was inserted or deleted where a text was left out.
siblings as (
    {% for table in texts %}
    select
        places.table_name,
        places.__source_lsn,
        places.__source_ts_ms,
        events.__op,
        {{ key_pair(table, 'events') }},
        {{ key_text(table, 'events') }} as any_key
    from places
    inner join (
        {{ applied_events(table, key_columns(table), only_changed_keys=false, in_order=false) }}
    ) as events
        on
            places.__source_lsn = events.__source_lsn
            and places.__source_ts_ms = events.__source_ts_ms
    where places.table_name = '{{ table }}'
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}
),

-- One key went and one other came: anything else says nothing about which became which.
moves as (
    select
        siblings.table_name,
        siblings.__source_lsn as moved_lsn,
        siblings.__source_ts_ms as moved_at,
        max(iff(siblings.__op = 'DELETE', siblings.id, null)) as old_id,
        max(iff(siblings.__op = 'DELETE', siblings.key_text, null)) as old_key_text,
        max(iff(siblings.__op = 'INSERT', siblings.id, null)) as new_id,
        max(iff(siblings.__op = 'INSERT', siblings.key_text, null)) as new_key_text,
        max(iff(siblings.__op = 'DELETE', siblings.any_key, null)) as old_key,
        max(iff(siblings.__op = 'INSERT', siblings.any_key, null)) as new_key
    from siblings
    group by
        siblings.table_name,
        siblings.__source_lsn,
        siblings.__source_ts_ms
    having
        count(distinct iff(siblings.__op = 'DELETE', siblings.any_key, null)) = 1
        and count(distinct iff(siblings.__op = 'INSERT', siblings.any_key, null)) = 1
        and max(iff(siblings.__op = 'DELETE', siblings.any_key, null))
        <> max(iff(siblings.__op = 'INSERT', siblings.any_key, null))
),

-- The old keys' events, one row for each text.
histories as (
    {% for table, columns in texts.items() %}
    {% set last_table = loop.last %}
    {% set old_keys %}
    select moves.old_{{ key_column(table) }} from moves where moves.table_name = '{{ table }}'
    {% endset %}
    {% for column in columns %}
    select
        '{{ table }}' as table_name,
        '{{ column }}' as column_name,
        events.{{ column }} as value,
        {{ key_text(table, 'events') }} as any_key,
        events.__op,
        events.__source_ts_ms,
        events.__source_lsn,
        events.__effective_lsn,
        events.__ts_ms,
        events.date,
        events.__source_file,
        events.__source_row
    from (
        {{ applied_events(table, key_columns(table) + columns, only_changed_keys=false, keys=old_keys) }}
    ) as events
    where events.__op <> 'DELETE'
    {% if not (last_table and loop.last) %}
    union all
    {% endif %}
    {% endfor %}
    {% endfor %}
),

-- Events that show the text: they carry it, or refer to another key's.
telling as (
    select
        histories.table_name,
        histories.column_name,
        histories.value,
        histories.any_key,
        histories.__source_ts_ms,
        histories.__source_lsn,
        histories.__effective_lsn,
        histories.__ts_ms,
        histories.date,
        histories.__source_file,
        histories.__source_row,
        coalesce(histories.value = '{{ var("unchanged_placeholder") }}', false) as is_moved
    from histories
    left join moves
        on
            histories.table_name = moves.table_name
            and histories.any_key = moves.new_key
            and histories.__source_lsn = moves.moved_lsn
            and histories.__source_ts_ms = moves.moved_at
            and histories.__op = 'INSERT'
    where
        histories.value is null
        or histories.value <> '{{ var("unchanged_placeholder") }}'
        or moves.new_key is not null
),

last_telling as (
    select
        moves.table_name,
        moves.moved_lsn,
        moves.moved_at,
        telling.column_name,
        telling.value,
        telling.is_moved,
        telling.__source_lsn as known_lsn,
        telling.__source_ts_ms as known_at
    from moves
    inner join telling
        on
            moves.table_name = telling.table_name
            and moves.old_key = telling.any_key
            and (telling.__effective_lsn is null or moves.moved_lsn > telling.__effective_lsn)
    qualify row_number() over (
        partition by moves.table_name, moves.moved_lsn, moves.moved_at, telling.column_name
        order by {{ event_order('desc') }}
    ) = 1
),

-- From move to move, to the event that carries the text. LSNs fall at each step, so it ends.
followed (table_name, moved_lsn, moved_at, column_name, value, is_moved, known_lsn, known_at) as (
    select
        last_telling.table_name,
        last_telling.moved_lsn,
        last_telling.moved_at,
        last_telling.column_name,
        last_telling.value,
        last_telling.is_moved,
        last_telling.known_lsn,
        last_telling.known_at
    from last_telling
    union all
    select
        followed.table_name,
        followed.moved_lsn,
        followed.moved_at,
        followed.column_name,
        last_telling.value,
        last_telling.is_moved,
        last_telling.known_lsn,
        last_telling.known_at
    from followed
    inner join last_telling
        on
            followed.table_name = last_telling.table_name
            and followed.column_name = last_telling.column_name
            and followed.known_lsn = last_telling.moved_lsn
            and followed.known_at = last_telling.moved_at
    where followed.is_moved
),

column_names as (
    {% for table, columns in texts.items() %}
    {% set last_table = loop.last %}
    {% for column in columns %}
    select
        '{{ table }}' as table_name,
        '{{ column }}' as column_name
    {% if not (last_table and loop.last) %}
    union all
    {% endif %}
    {% endfor %}
    {% endfor %}
)

select
    moves.table_name,
    moves.new_id as id,
    moves.new_key_text as key_text,
    moves.moved_lsn,
    moves.moved_at,
    column_names.column_name,
    followed.value
from moves
inner join column_names
    on moves.table_name = column_names.table_name
left join followed
    on
        moves.table_name = followed.table_name
        and moves.moved_lsn = followed.moved_lsn
        and moves.moved_at = followed.moved_at
        and column_names.column_name = followed.column_name
        and not followed.is_moved
