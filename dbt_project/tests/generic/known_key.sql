{#- Fails for each row whose reference names no row of the parent; null names none. -#}
{% test known_key(model, column, parent) %}
select checked.*
from {{ model }} as checked
left join {{ parent }} as parents
    on checked.{{ column }} = parents.id
where parents.id is null
{% endtest %}
