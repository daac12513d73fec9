{#-
    Key changes (docs/definitions.md). The source reports one as a DELETE of the old key and an INSERT of the new one, at one LSN
    and source time; a large text that did not change is left out of the INSERT, whose new key has no history to take it from.
-#}
{#- Condition: an INSERT that leaves out a text, which only a key change does. -#}
{% macro leaves_out_a_text(table) -%}
    __op = 'INSERT'
    and (
        {%- for column in text_columns(table) %}
        {{ 'or ' if not loop.first }}{{ column }} = '{{ var("unchanged_placeholder") }}'
        {%- endfor %}
    )
{%- endmacro %}


{#- The events of `applied_events` with all columns, and the texts of base_moved_texts where a key change left them out. -#}
{% macro events_with_moved_texts(table, keys=none) -%}
    {%- set columns = source_columns(table) -%}
    {%- set texts = text_columns(table) -%}
    {%- set key = key_column(table) -%}
    {%- if not texts -%}
    {{ applied_events(table, columns, keys=keys) }}
    {%- else -%}
    select
        {%- for column in columns %}
        {%- if column in texts %}
        iff(
            moved.moved_lsn is not null and events.{{ column }} = '{{ var("unchanged_placeholder") }}',
            moved.{{ column }}, events.{{ column }}
        ) as {{ column }},
        {%- else %}
        events.{{ column }},
        {%- endif %}
        {%- endfor %}
        events.__op,
        events.__ts_ms,
        events.__source_ts_ms,
        events.__source_lsn,
        events.__effective_lsn,
        events.date,
        events.__source_file,
        events.__source_row
    from (
        {{ applied_events(table, columns, keys=keys) }}
    ) as events
    left join (
        select
            moved_texts.{{ key }},
            moved_texts.moved_lsn,
            moved_texts.moved_at
            {%- for column in texts %},
            max(iff(moved_texts.column_name = '{{ column }}', moved_texts.value, null)) as {{ column }}
            {%- endfor %}
        from {{ ref('base_moved_texts') }} as moved_texts
        where moved_texts.table_name = '{{ table }}'
        group by moved_texts.{{ key }}, moved_texts.moved_lsn, moved_texts.moved_at
    ) as moved
        on
            events.__op = 'INSERT'
            and {{ key_value(table, 'events') }} = moved.{{ key }}
            and events.__source_lsn = moved.moved_lsn
            and events.__source_ts_ms = moved.moved_at
    {%- endif -%}
{%- endmacro %}
