-- On the last day, the four tiers hold all customers registered by then.
{{ config(meta={'dagster': {'ref': {'name': 'mart_customer_tier_analytics'}}}) }}
with last_day as (
    select
        tiers.date,
        sum(tiers.total_customers) as customers
    from {{ ref('mart_customer_tier_analytics') }} as tiers
    group by tiers.date
    qualify row_number() over (order by tiers.date desc) = 1
),

registered as (
    select
        last_day.date,
        last_day.customers,
        count(users.id) as expected_customers
    from last_day
    left join {{ ref('stg_users_enhanced') }} as users
        on to_date(users.created_at) <= last_day.date
    group by
        last_day.date,
        last_day.customers
)

select
    registered.date,
    registered.customers,
    registered.expected_customers
from registered
where registered.customers <> registered.expected_customers
