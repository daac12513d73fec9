{#- Fails for each row of the model of which the condition does not hold; null counts as not holding. -#}
{% test must_hold(model, condition) %}
select checked.*
from {{ model }} as checked
where not coalesce({{ condition }}, false)
{% endtest %}
