{#- As dbt's own test, which selects the null alone: with the row, whoever reads of the failure sees its key. -#}
{% test not_null(model, column_name) %}
select checked.*
from {{ model }} as checked
where checked.{{ column_name }} is null
{% endtest %}
