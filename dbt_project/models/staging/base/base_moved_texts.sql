{{ config(materialized='table') }}

-- What a key change's INSERT stands for where it leaves out a text: the old key's text before its DELETE, through as
-- many key changes as there were. Null when nothing tells. Computed from all applied events each time: it depends on
-- other keys.
{% set texts = {} %}
{% for table in tables_with_texts() %}
{% do texts.update({table: text_columns(table)}) %}
{% endfor %}
with recursive moving as (
    {% for table, columns in texts.items() %}
    select distinct
        '{{ table }}' as table_name,
        events.id,
        events.__source_lsn,
        events.__source_ts_ms
    from (
        {{ applied_events(table, ['id'] + columns, only_changed_keys=false, in_order=false) }}
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
        iff(events.__op = 'DELETE', events.id, null) as deleted_id,
        iff(events.__op = 'INSERT', events.id, null) as inserted_id
    from places
    inner join (
        {{ applied_events(table, ['id'], only_changed_keys=false, in_order=false) }}
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
        max(siblings.deleted_id) as old_id,
        max(siblings.inserted_id) as new_id
    from siblings
    group by
        siblings.table_name,
        siblings.__source_lsn,
        siblings.__source_ts_ms
    having
        count(distinct siblings.deleted_id) = 1
        and count(distinct siblings.inserted_id) = 1
        and max(siblings.deleted_id) <> max(siblings.inserted_id)
),

-- The old keys' events, one row for each text.
histories as (
    {% for table, columns in texts.items() %}
    {% set last_table = loop.last %}
    {% set old_ids = "select moves.old_id from moves where moves.table_name = '" ~ table ~ "'" %}
    {% for column in columns %}
    select
        '{{ table }}' as table_name,
        '{{ column }}' as column_name,
        events.{{ column }} as value,
        events.id,
        events.__op,
        events.__source_ts_ms,
        events.__source_lsn,
        events.__effective_lsn,
        events.__ts_ms,
        events.date,
        events.__source_file,
        events.__source_row
    from (
        {{ applied_events(table, ['id'] + columns, only_changed_keys=false, ids=old_ids) }}
    ) as events
    where events.__op <> 'DELETE'
    {% if not (last_table and loop.last) %}
    union all
    {% endif %}
    {% endfor %}
    {% endfor %}
),

-- Those that tell the text: by carrying it, or by standing for another key's.
telling as (
    select
        histories.table_name,
        histories.column_name,
        histories.value,
        histories.id,
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
            and histories.id = moves.new_id
            and histories.__source_lsn = moves.moved_lsn
            and histories.__source_ts_ms = moves.moved_at
            and histories.__op = 'INSERT'
    where
        histories.value is null
        or histories.value <> '{{ var("unchanged_placeholder") }}'
        or moves.new_id is not null
),

last_telling as (
    select
        moves.table_name,
        moves.moved_lsn,
        moves.moved_at,
        moves.new_id,
        telling.column_name,
        telling.value,
        telling.is_moved,
        telling.__source_lsn as told_lsn,
        telling.__source_ts_ms as told_at
    from moves
    inner join telling
        on
            moves.table_name = telling.table_name
            and moves.old_id = telling.id
            and (telling.__effective_lsn is null or moves.moved_lsn > telling.__effective_lsn)
    qualify row_number() over (
        partition by moves.table_name, moves.moved_lsn, moves.moved_at, telling.column_name
        order by {{ event_order('desc') }}
    ) = 1
),

-- From move to move, to the event that carries the text. LSNs fall at each step, so it ends.
followed (table_name, moved_lsn, moved_at, column_name, value, is_moved, told_lsn, told_at) as (
    select
        last_telling.table_name,
        last_telling.moved_lsn,
        last_telling.moved_at,
        last_telling.column_name,
        last_telling.value,
        last_telling.is_moved,
        last_telling.told_lsn,
        last_telling.told_at
    from last_telling
    union all
    select
        followed.table_name,
        followed.moved_lsn,
        followed.moved_at,
        followed.column_name,
        last_telling.value,
        last_telling.is_moved,
        last_telling.told_lsn,
        last_telling.told_at
    from followed
    inner join last_telling
        on
            followed.table_name = last_telling.table_name
            and followed.column_name = last_telling.column_name
            and followed.told_lsn = last_telling.moved_lsn
            and followed.told_at = last_telling.moved_at
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
