{{ config(
    materialized='incremental',
    unique_key=['table_name', 'date', '__source_file', '__source_row']
) }}

-- depends_on: {{ ref('base_changed_keys') }}
-- depends_on: {{ ref('base_moved_texts') }}
-- Where a snapshot that was taken again disagreed with the stream: what the stream had lost.
{% for table in source_tables() %}
{{ snapshot_changes_of(table) }}
{% if not loop.last %}
union all
{% endif %}
{% endfor %}
