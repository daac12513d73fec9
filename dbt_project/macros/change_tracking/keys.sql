{#-
    Keys of any table as one value, so that keys of all tables fit into one model: in a column `id` where a table's key is one
    whole number, else in a column `key_text`. A key of several columns is one text of its parts, each behind its length: no two
    keys have the same.
-#}
{#- The columns of a table's key. -#}
{% macro key_columns(table) -%}
    {{ return(source_contracts()[table]['key'].keys() | list) }}
{%- endmacro %}


{#- Whether it is one whole number. -#}
{% macro has_number_key(table) -%}
    {{ return(source_contracts()[table]['key'].values() | list == ['number']) }}
{%- endmacro %}


{#- The column that holds keys of the table in models of several tables' keys. -#}
{% macro key_column(table) -%}
    {{ return('id' if has_number_key(table) else 'key_text') }}
{%- endmacro %}


{#-
    The key of `table` as one value, from the columns of its key, or from those of another table that are a foreign key to it.
    Null when one of them is.
-#}
{% macro key_value(table, relation=none, columns=none) -%}
    {%- set named = [] -%}
    {%- for column in columns or key_columns(table) -%}
        {%- do named.append(relation ~ '.' ~ column if relation else column) -%}
    {%- endfor -%}
    {{ return(named[0] if has_number_key(table) else key_as_text(table, named)) }}
{%- endmacro %}


{#- The key as a text, also where it is a number. -#}
{% macro key_text(table, relation) -%}
    {%- set named = [] -%}
    {%- for column in key_columns(table) -%}
        {%- do named.append(relation ~ '.' ~ column) -%}
    {%- endfor -%}
    {{ return(key_as_text(table, named)) }}
{%- endmacro %}


{% macro key_as_text(table, columns) -%}
    {%- set kinds = source_contracts()[table]['key'].values() | list -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- set text = column -%}
        {%- if kinds[loop.index0] == 'number' -%}
            {%- set text = 'cast(' ~ column ~ ' as string)' -%}
        {%- elif kinds[loop.index0] == 'date' -%}
            {%- set text = "to_varchar(" ~ column ~ ", 'YYYY-MM-DD')" -%}
        {%- endif -%}
        {%- if columns | length > 1 -%}
            {%- set text = "cast(length(" ~ text ~ ") as string) || ':' || " ~ text -%}
        {%- endif -%}
        {%- do parts.append(text) -%}
    {%- endfor -%}
    {{ return(parts | join(' || ')) }}
{%- endmacro %}


{#- The two columns of a key in a model of several tables' keys. -#}
{% macro key_pair(table, relation, columns=none, prefix='') -%}
    {%- set value = key_value(table, relation, columns) -%}
    {%- if has_number_key(table) -%}
        {{ value }} as {{ prefix }}id,
        cast(null as string) as {{ prefix }}key_text
    {%- else -%}
        cast(null as number(38, 0)) as {{ prefix }}id,
        {{ value }} as {{ prefix }}key_text
    {%- endif -%}
{%- endmacro %}


{#- The columns of a table's key for a `partition by` or a select list. -#}
{% macro key_list(table, relation=none) -%}
    {%- for column in key_columns(table) -%}
        {{ relation ~ '.' if relation }}{{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
