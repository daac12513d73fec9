{#-
    Where an event stands among those of its key (docs/definitions.md, decision 0017): its own LSN, or, for a snapshot row that
    has none, the highest LSN of its key that the connector had seen by then; null, which is lowest, when it had seen none.
    For a query over all events of a key, as `applied_events` makes it. RANGE takes in equal times: "not after its own".
-#}
{% macro effective_lsn(table, events) -%}
    coalesce(
        {{ events }}.__source_lsn,
        max({{ events }}.__source_lsn) over (
            partition by {{ key_list(table, events) }}
            order by {{ events }}.__ts_ms
            range between unbounded preceding and current row
        )
    )
{%- endmacro %}


{#-
    The order of a key's events, as the columns of an `order by` over events that have `__effective_lsn`. What was snapshot
    after an LSN comes after every event that has this LSN itself.
-#}
{% macro event_order(direction='asc') -%}
    {%- set nulls = 'first' if direction == 'asc' else 'last' -%}
    __effective_lsn {{ direction }} nulls {{ nulls }},
    iff(__source_lsn is null, 1, 0) {{ direction }},
    __ts_ms {{ direction }} nulls {{ nulls }},
    date {{ direction }},
    __source_file {{ direction }},
    __source_row {{ direction }}
{%- endmacro %}


{#-
    A product's history by time: the source's clock first, the event order on a tie.
-#}
{% macro history_order(direction='asc') -%}
    {%- set nulls = 'first' if direction == 'asc' else 'last' -%}
    __source_ts_ms {{ direction }} nulls {{ nulls }},
    {{ event_order(direction) }}
{%- endmacro %}
