{{ config(
    materialized='incremental',
    unique_key='id',
    cluster_by=['to_date(created_at)']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- Latest state of each key of users, without deleted keys.
{{ latest_state('users') }}
