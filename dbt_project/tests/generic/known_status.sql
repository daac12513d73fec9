{#- Fails for each row whose status is none of the known statuses. -#}
{% test known_status(model, column) %}
select checked.*
from {{ model }} as checked
where not {{ status_in('checked.' ~ column, 'known_statuses') }}
{% endtest %}
