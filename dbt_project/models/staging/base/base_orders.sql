{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)'],
    meta={'source_table': 'orders'}
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of orders, without deleted keys.
-- An event that leaves the status out has the status that it left as it was.
{% set delivered_at %}
min(
            iff(
                ranked.__op <> 'DELETE' and {{ unmark('ranked.__marked_status_so_far') }} = '{{ var("delivered_status") }}',
                ranked.__source_ts_ms, null
            )
        ) over (partition by ranked.id)
{%- endset %}
{{ latest_state(
    'orders',
    derived={'business_date': 'to_date(ranked.created_at)', 'delivered_at': delivered_at},
    texts_so_far=['status']
) }}
