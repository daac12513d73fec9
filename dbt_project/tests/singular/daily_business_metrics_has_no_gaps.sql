-- A row for each date from the first to the last.
{{ config(meta={'dagster': {'ref': {'name': 'mart_daily_business_metrics'}}}) }}
with days as (
    select
        count(*) as row_count,
        datediff('day', min(metrics.date), max(metrics.date)) + 1 as day_count
    from {{ ref('mart_daily_business_metrics') }} as metrics
)

select
    days.row_count,
    days.day_count
from days
where
    days.row_count > 0
    and days.row_count <> days.day_count
