{#- The order of a key's events (docs/definitions.md), as the columns of an `order by`. -#}
{% macro event_order(direction='asc') -%}
    {%- set nulls = 'first' if direction == 'asc' else 'last' -%}
    __source_lsn {{ direction }} nulls {{ nulls }},
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
