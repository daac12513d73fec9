{#- The source tables; a landing day counts when all of them have it that had joined by then. -#}
{% macro source_tables() -%}
    {{ return(source_contracts().keys() | list) }}
{%- endmacro %}


{#- The columns that a table has in the source. -#}
{% macro source_columns(table) -%}
    {{ return(source_contracts()[table]['columns']) }}
{%- endmacro %}


{#- Its text columns, which an event may leave out as unchanged. -#}
{% macro text_columns(table) -%}
    {{ return(source_contracts()[table]['texts']) }}
{%- endmacro %}


{#- Its foreign keys to tables that have a contract: `parent`, and `columns` in the order of the parent's key. -#}
{% macro foreign_keys(table) -%}
    {{ return(source_contracts()[table]['foreign_keys']) }}
{%- endmacro %}


{#- The source tables that have text columns. -#}
{% macro tables_with_texts() -%}
    {%- set tables = [] -%}
    {%- for table in source_tables() if text_columns(table) -%}
        {%- do tables.append(table) -%}
    {%- endfor -%}
    {{ return(tables) }}
{%- endmacro %}


{#- The source tables that have foreign keys. -#}
{% macro tables_with_foreign_keys() -%}
    {%- set tables = [] -%}
    {%- for table in source_tables() if foreign_keys(table) -%}
        {%- do tables.append(table) -%}
    {%- endfor -%}
    {{ return(tables) }}
{%- endmacro %}


{#- Condition over a group of a landing day's ledger rows: each table has one that the day needs. -#}
{% macro has_every_table(ledger) -%}
    {%- for table in source_tables() -%}
        {%- set joined_on = source_contracts()[table]['first_day'] -%}
        {{ ' and ' if not loop.first }}(
            count(case when {{ ledger }}.table_name = '{{ table }}' then 1 end) > 0
            {%- if joined_on %}
            or {{ ledger }}.date < to_date('{{ joined_on }}')
            {%- endif %}
        )
    {%- endfor -%}
{%- endmacro %}
