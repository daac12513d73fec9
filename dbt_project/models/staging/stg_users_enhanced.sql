{{ config(
    materialized='table',
    alias='users_enhanced',
    cluster_by=['to_date(created_at)', 'customer_tier']
) }}

-- Rebuilt each time: the days since registration move with the as-of day.
with users as (
    select
        base_users.*,
        {{ blank_to_null('base_users.first_name') }} as trimmed_first_name,
        {{ blank_to_null('base_users.last_name') }} as trimmed_last_name
    from {{ ref('base_users') }} as base_users
),

spend as (
    select
        orders.user_id,
        sum(orders.total_amount) as total_spent
    from {{ ref('base_orders') }} as orders
    where {{ status_in('orders.status', 'revenue_statuses') }}
    group by orders.user_id
)

select
    users.id,
    users.email,
    users.first_name,
    users.last_name,
    case
        when users.trimmed_first_name is null then users.trimmed_last_name
        when users.trimmed_last_name is null then users.trimmed_first_name
        else users.trimmed_first_name || ' ' || users.trimmed_last_name
    end as full_name,
    users.created_at,
    users.updated_at,
    {{ is_email('users.email') }} as is_valid_email,
    (
        {{ is_not_blank('users.email') }}
        and users.trimmed_first_name is not null
        and users.trimmed_last_name is not null
    ) as is_complete_profile,
    {{ customer_tier('coalesce(spend.total_spent, 0)') }} as customer_tier,
    datediff('day', to_date(users.created_at), {{ as_of_day() }}) as days_since_registration,
    {{ audit_stamp() }} as processed_at
from users
left join spend
    on users.id = spend.user_id
