{#-
    Events of a raw table that this run may see: those of the landing days frozen at its start. In an incremental run only
    the events of keys that changed, but of those all events: a state is derived from history, never from what a model held.
-#}
{% macro applied_events(table, columns, only_changed_keys=true) -%}
    select
        raw_events.{{ columns | join(',\n        raw_events.') }},
        raw_events.__op,
        raw_events.__ts_ms,
        raw_events.__source_ts_ms,
        raw_events.__source_lsn,
        raw_events.date,
        raw_events.__source_file,
        raw_events.__source_row
    from {{ source('raw', table) }} as raw_events
    inner join {{ ref('base_landing_days') }} as landing_days
        on raw_events.date = landing_days.date
    where
        landing_days.table_name = '{{ table }}'
        {%- if only_changed_keys and is_incremental() %}
        and raw_events.id in (
            select changed.id
            from {{ ref('base_changed_keys') }} as changed
            where changed.entity = '{{ table }}'
        )
        {%- endif %}
{%- endmacro %}
