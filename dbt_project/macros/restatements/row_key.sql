{#-
    The key of a published row as one JSON text: `{"category":"Books","date":"2026-01-05"}`. The columns of `unique_key` by name,
    numbers and booleans as such, everything else as text. MARTS.RESTATEMENTS names rows by it, so the text of a key never changes:
    the columns' order in `unique_key` does not count.
-#}
{% macro row_key(alias) -%}
    {%- set parts = [] -%}
    {%- for column in published_key() | sort -%}
        {%- do parts.append("'" ~ ('{' if loop.first else ',') ~ '"' ~ column ~ '":\'') -%}
        {%- do parts.append('coalesce(' ~ json_value(alias ~ '.' ~ column, key_type(column)) ~ ", 'null')") -%}
    {%- endfor -%}
    {{ parts | join(' || ') }} || '}'
{%- endmacro %}


{#- SQL of a value as JSON; null stays null. -#}
{% macro json_value(expression, data_type) -%}
    {%- if data_type.startswith(('number', 'decimal', 'int', 'bigint')) -%}
        to_varchar(cast({{ expression }} as {{ data_type }}))
    {%- elif data_type == 'boolean' -%}
        case when {{ expression }} then 'true' when not {{ expression }} then 'false' end
    {%- elif data_type == 'date' -%}
        '"' || to_varchar({{ expression }}, 'YYYY-MM-DD') || '"'
    {%- elif data_type.startswith('timestamp') -%}
        '"' || to_varchar({{ expression }}, 'YYYY-MM-DD HH24:MI:SS.FF6') || '"'
    {%- else -%}
        '"' || {{ json_escaped(expression) }} || '"'
    {%- endif -%}
{%- endmacro %}


{#- SQL of a text as JSON has it between quotes. In a constant of Snowflake a backslash escapes the next character. -#}
{% macro json_escaped(expression) -%}
    {%- set ns = namespace(text=expression) -%}
    {%- for plain, escaped in [('\\\\', '\\\\\\\\'), ('"', '\\\\"'), ('\\n', '\\\\n'), ('\\r', '\\\\r'), ('\\t', '\\\\t')] -%}
        {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ plain ~ "', '" ~ escaped ~ "')" -%}
    {%- endfor -%}
    {{ ns.text }}
{%- endmacro %}


{#- The type of a key's column, in lower case. -#}
{% macro key_type(column) -%}
    {%- if column not in model.columns or not model.columns[column].data_type -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ': the key column ' ~ column ~ ' has no data_type; expected the columns of unique_key, in lower case, among '
            ~ 'the columns of the model in its YAML file, each with a data_type'
        ) }}
    {%- endif -%}
    {{ return(model.columns[column].data_type | lower | trim) }}
{%- endmacro %}


{#- The key's column that is the business date of a row, by which months close: `business_date` of the model's meta, or `date`. -#}
{% macro published_date() -%}
    {%- set column = model.config.meta.get('business_date', 'date') -%}
    {{ return(column if column in published_key() and key_type(column) == 'date' else none) }}
{%- endmacro %}


{#- A column that the log has had from its beginning: the key's column of that name, where there is one of that kind. -#}
{% macro logged_key_column(alias, column, kind) -%}
    {%- set kinds = {'string': ('varchar', 'string', 'text'), 'number': ('number', 'bigint', 'int')}[kind] -%}
    {%- if column in published_key() and key_type(column).startswith(kinds) -%}
        {{ alias }}.{{ column }}
    {%- else -%}
        cast(null as {{ kind }})
    {%- endif -%}
{%- endmacro %}
