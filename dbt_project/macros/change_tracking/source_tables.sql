{#- The source tables; a landing day counts when all of them have it that had joined by then. -#}
{% macro source_tables() -%}
    {{ return(['users', 'products', 'orders', 'order_items']) }}
{%- endmacro %}


{#- The landing day from which on a table counts, where its contract names one: days before it are complete without it. -#}
{% macro first_day(table) -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == 'raw' and source.name == table -%}
            {{ return((source.config.meta or {}).get('first_day')) }}
        {%- endfor -%}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}


{#- Condition over a group of a landing day's ledger rows: each table has one that the day needs. -#}
{% macro has_every_table(ledger) -%}
    {%- for table in source_tables() -%}
        {%- set joined_on = first_day(table) -%}
        {{ ' and ' if not loop.first }}(
            count(case when {{ ledger }}.table_name = '{{ table }}' then 1 end) > 0
            {%- if joined_on %}
            or {{ ledger }}.date < to_date('{{ joined_on }}')
            {%- endif %}
        )
    {%- endfor -%}
{%- endmacro %}
