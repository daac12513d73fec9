{{
    config(
        materialized='table',
        post_hook="update {{ this }} set frozen_by = '{{ lease_token() }}'",
    )
}}

-- Loads that later ones replaced, as known when the run starts: when it has finished, they are done with.
{% for table in source_tables() %}
select distinct
    '{{ table }}' as table_name,
    superseded.batch_id,
    cast(null as string) as frozen_by
from {{ source('raw', 'superseded_' ~ table) }} as superseded
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
