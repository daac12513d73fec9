{#-
    Latest state of each key of a source table, without deleted keys: one row each, with the table's columns in the contract's
    order. An unchanged text that the last event leaves out has the value of the last event that carries it.

    `derived` maps names of further columns to expressions over a key's events, which are called `ranked` there; a text of
    `texts_so_far` is in them as `__marked_<text>_so_far`: as each event of the key left it, to be unmarked.
-#}
{% macro latest_state(table, derived={}, texts_so_far=[]) -%}
{%- set texts = text_columns(table) -%}
with events as (
    {{ events_with_moved_texts(table) }}
),

ranked as (
    select
        {%- for column in source_columns(table) %}
        {{ latest_text(table, column) ~ ' as __marked_' ~ column if column in texts else column }},
        {%- endfor %}
        {%- for column in texts_so_far %}
        {{ text_so_far(table, column) }} as __marked_{{ column }}_so_far,
        {%- endfor %}
        __op,
        __source_ts_ms,
        {{ recency(table) }} as __recency
    from events
),

states as (
    select
        {%- for column in source_columns(table) %}
        {{ unmark('ranked.__marked_' ~ column) if column in texts else 'ranked.' ~ column }} as {{ column }},
        {%- endfor %}
        {%- for name, expression in derived.items() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        ranked.__op,
        ranked.__recency
    from ranked
)

select
    {%- for column in source_columns(table) + derived.keys() | list %}
    states.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from states
where
    states.__recency = 1
    and states.__op <> 'DELETE'
{%- endmacro %}
