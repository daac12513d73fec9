{{
    config(
        materialized='table',
        post_hook="update {{ this }} set frozen_by = '{{ lease_token() }}'",
    )
}}

-- The landing days that this run applies, frozen at its start: a load that commits while dbt runs belongs to the next.
-- Who froze them is written right afterwards, so that the model's text is the same for every run.
with ledger as (
    select
        load_ledger.table_name,
        load_ledger.date,
        load_ledger.batch_id
    from {{ source('raw', 'load_ledger') }} as load_ledger
),

complete_days as (
    select ledger.date
    from ledger
    group by ledger.date
    having {{ has_every_table('ledger') }}
),

applied as (
    select
        applied_days.table_name,
        applied_days.date,
        applied_days.batch_id
    from {{ applied_days() }} as applied_days
)

select
    ledger.table_name,
    ledger.date,
    ledger.batch_id,
    applied.batch_id is null as is_pending,
    cast(null as string) as frozen_by
from ledger
inner join complete_days
    on ledger.date = complete_days.date
left join applied
    on
        ledger.table_name = applied.table_name
        and ledger.date = applied.date
        and ledger.batch_id = applied.batch_id
