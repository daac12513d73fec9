{#-
    The latest known value of a text column over a key's events, for a query that keeps the key's last event only.
    The source leaves out an unchanged large text and writes a placeholder; null is a value, so a known value travels
    with a leading mark and null as the mark's absence. The window is the one by which the last event is found.
-#}
{% macro latest_text(table, column) -%}
    {{ known_text(table, column, 'unbounded preceding') }}
{%- endmacro %}


{#- The same as an event of the key has it: what was known when it happened, itself included. -#}
{% macro text_so_far(table, column) -%}
    {{ known_text(table, column, 'current row') }}
{%- endmacro %}


{% macro known_text(table, column, newest) -%}
    first_value(
        case
            when __op = 'DELETE' or {{ column }} = '{{ var("unchanged_placeholder") }}' then null
            when {{ column }} is null then ''
            else '=' || {{ column }}
        end
    ) ignore nulls over (
        partition by {{ key_list(table) }}
        order by {{ event_order('desc') }}
        rows between {{ newest }} and unbounded following
    )
{%- endmacro %}


{#- Takes the mark of `latest_text` off again. -#}
{% macro unmark(column) -%}
    iff({{ column }} = '', null, substr({{ column }}, 2))
{%- endmacro %}


{#- 1 for the last event of a key. -#}
{% macro recency(table) -%}
    row_number() over (partition by {{ key_list(table) }} order by {{ event_order('desc') }})
{%- endmacro %}
