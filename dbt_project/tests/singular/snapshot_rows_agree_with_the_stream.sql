-- Snapshot rows of the days that this run applies say what the stream had left; where they do not, the stream had lost
-- a change.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'base_snapshot_changes'}}}) }}
select
    changes.table_name,
    changes.id,
    changes.date,
    changes.differs_in
from {{ ref('base_snapshot_changes') }} as changes
inner join {{ ref('base_landing_days') }} as landing_days
    on
        changes.table_name = landing_days.table_name
        and changes.date = landing_days.date
where landing_days.is_pending
