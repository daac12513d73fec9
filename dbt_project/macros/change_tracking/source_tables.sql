{#- The source tables; a landing day counts when all of them have it. -#}
{% macro source_tables() -%}
    {{ return(['users', 'products', 'orders', 'order_items']) }}
{%- endmacro %}
