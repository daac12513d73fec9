{#- A text without surrounding blanks, null when nothing is left. A blank is the space alone, as for Snowflake's TRIM; it is named because
    the stand-in's engine would trim all of Unicode's spaces. -#}
{% macro blank_to_null(column) -%}
    nullif(trim({{ column }}, ' '), '')
{%- endmacro %}


{#- Condition: the text is neither null nor blank. -#}
{% macro is_not_blank(column) -%}
    {{ blank_to_null(column) }} is not null
{%- endmacro %}


{#- Condition: the text is an e-mail address; null is none. -#}
{% macro is_email(column) -%}
    coalesce(regexp_like({{ column }}, '{{ var("email_pattern") | replace("\\", "\\\\") }}'), false)
{%- endmacro %}
