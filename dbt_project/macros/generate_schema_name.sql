{#- The schemas are the platform's own names (STAGING, INTERMEDIATE, MARTS), without the target's as a prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
