{#-
    Events of a raw table that this run may see: those of the landing days frozen at its start. In an incremental run only
    the events of keys that changed, but of those all events: a state is derived from history, never from what a model held.

    `in_order=false` leaves out `__effective_lsn`, for queries that ask for no order of events. `keys` is a subquery that picks
    them, as `key_value` has them; any other condition belongs outside, where an event's place is known already.
-#}
{% macro applied_events(table, columns, only_changed_keys=true, in_order=true, keys=none) -%}
    select
        raw_events.{{ columns | join(',\n        raw_events.') }},
        raw_events.__op,
        raw_events.__ts_ms,
        raw_events.__source_ts_ms,
        raw_events.__source_lsn,
        {%- if in_order %}
        {{ effective_lsn(table, 'raw_events') }} as __effective_lsn,
        {%- endif %}
        raw_events.date,
        raw_events.__source_file,
        raw_events.__source_row
    from {{ source('raw', table) }} as raw_events
    inner join {{ ref('base_landing_days') }} as landing_days
        on raw_events.date = landing_days.date
    where
        landing_days.table_name = '{{ table }}'
        {%- if only_changed_keys and is_incremental() %}
        and {{ key_value(table, 'raw_events') }} in ({{ changed_ids(table) }})
        {%- endif %}
        {%- if keys %}
        and {{ key_value(table, 'raw_events') }} in (
            {{ keys }}
        )
        {%- endif %}
{%- endmacro %}
