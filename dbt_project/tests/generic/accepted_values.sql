{#- As dbt's own test, which counts values: here each failing row, so that its key is known. Null is accepted. -#}
{% test accepted_values(model, column_name, values, quote=true) %}
{%- set accepted = [] -%}
{%- for value in values -%}
    {%- do accepted.append("'" ~ value ~ "'" if quote else value) -%}
{%- endfor -%}
select checked.*
from {{ model }} as checked
where checked.{{ column_name }} not in ({{ accepted | join(', ') }})
{% endtest %}
