{#-
    Keys with a snapshot row without an LSN that some event may precede. After an initial snapshot there are none, and the
    windows over all events of a key are spared.
-#}
{% macro keys_read_after_events(table) -%}
    select {{ key_value(table, 'events') }}
    from (
        {{ applied_events(table, key_columns(table), in_order=false) }}
    ) as events
    group by {{ key_list(table, 'events') }}
    having
        count_if(events.__source_lsn is null) > 1
        or min(iff(events.__source_lsn is null, null, events.__ts_ms))
        <= max(iff(events.__source_lsn is null, events.__ts_ms, null))
{%- endmacro %}


{#-
    Snapshot rows without an LSN that say something else than the event right before them left: one row each, with the columns
    that differ, or with `deleted` when the key was gone.
-#}
{% macro snapshot_changes_of(table) -%}
    {%- set columns = source_columns(table) -%}
    {%- set texts = text_columns(table) -%}
    {%- set compared = columns | reject('in', key_columns(table)) | list -%}
    select
        '{{ table }}' as table_name,
        {{ key_pair(table, 'compared') }},
        compared.date,
        compared.__source_file,
        compared.__source_row,
        case
            when compared.previous_op = 'DELETE' then 'deleted'
            {%- if compared %}
            else substr(
                {%- for column in compared %}
                iff(compared.{{ column }}__differs, ', {{ column }}', '')
                {{- ' ||' if not loop.last }}
                {%- endfor %},
                3
            )
            {%- endif %}
        end as differs_in
    from (
        select
            {{ key_list(table, 'states') }},
            states.date,
            states.__source_file,
            states.__source_row,
            states.__op,
            states.__source_lsn,
            {%- for column in compared %}
            states.{{ column }}__then is distinct from lag(states.{{ column }}__then) over (
                partition by {{ key_list(table, 'states') }}
                order by {{ event_order() }}
            ) as {{ column }}__differs,
            {%- endfor %}
            lag(states.__op) over (
                partition by {{ key_list(table, 'states') }}
                order by {{ event_order() }}
            ) as previous_op
        from (
            select
                {{ key_list(table) }},
                {%- for column in compared %}
                {{ text_so_far(table, column) if column in texts else column }} as {{ column }}__then,
                {%- endfor %}
                __op,
                __ts_ms,
                __source_lsn,
                __effective_lsn,
                date,
                __source_file,
                __source_row
            from (
                {{ events_with_moved_texts(table, keys=keys_read_after_events(table)) }}
            ) as events
        ) as states
    ) as compared
    where
        compared.__source_lsn is null
        and (
            compared.previous_op = 'DELETE'
            {%- if compared %}
            or (
                compared.previous_op is not null
                and (
                    {%- for column in compared %}
                    {{ 'or ' if not loop.first }}compared.{{ column }}__differs
                    {%- endfor %}
                )
            )
            {%- endif %}
        )
{%- endmacro %}
