{#- Condition: the status is one of a set of dbt_project.yml (completed_statuses, revenue_statuses, known_statuses). -#}
{% macro status_in(column, status_set) -%}
    coalesce({{ column }} in ('{{ var(status_set) | join("', '") }}'), false)
{%- endmacro %}
