{{ config(
    materialized='incremental',
    unique_key=['date', 'customer_tier'],
    alias='customer_tier_analytics',
    cluster_by=['date', 'customer_tier'],
    meta={'published': true}
) }}

-- depends_on: {{ ref('base_landing_days') }}
-- A customer's state (tier, spend, purchases to date) changes on the days of purchases only. Each change is booked
-- once, as an entry into the new tier and an exit from the old one; the running sums of the entries less the exits are
-- the members of each day. So the work grows with the purchases, not with customers times days.
with calendar as (
    {{ calendar() }}
),

customers as (
    select
        users.id as user_id,
        to_date(users.created_at) as registered_on
    from {{ ref('stg_users_enhanced') }} as users
),

purchase_days as (
    select
        order_analytics.user_id,
        order_analytics.date,
        count(*) as orders,
        coalesce(sum(order_analytics.total_amount), 0) as revenue
    from {{ ref('int_order_analytics') }} as order_analytics
    where
        order_analytics.is_revenue
        and order_analytics.date is not null
    group by
        order_analytics.user_id,
        order_analytics.date
),

histories as (
    select
        customers.user_id,
        customers.registered_on,
        purchase_days.date,
        purchase_days.orders,
        purchase_days.revenue,
        min(purchase_days.date) over (partition by customers.user_id) as first_date,
        sum(purchase_days.orders) over (
            partition by customers.user_id
            order by purchase_days.date
            rows between unbounded preceding and current row
        ) as orders_to_date,
        sum(purchase_days.revenue) over (
            partition by customers.user_id
            order by purchase_days.date
            rows between unbounded preceding and current row
        ) as spent_to_date
    from customers
    inner join purchase_days
        on customers.user_id = purchase_days.user_id
),

possible_states as (
    select
        histories.user_id,
        greatest(histories.date, histories.registered_on) as valid_from,
        histories.date,
        histories.orders_to_date,
        histories.spent_to_date,
        datediff('day', histories.first_date, histories.date) as days_spanned
    from histories
    union all
    select
        customers.user_id,
        customers.registered_on as valid_from,
        cast(null as date) as date,
        0 as orders_to_date,
        0 as spent_to_date,
        0 as days_spanned
    from customers
),

states as (
    select
        possible_states.user_id,
        possible_states.valid_from,
        possible_states.orders_to_date,
        possible_states.spent_to_date,
        possible_states.days_spanned,
        {{ customer_tier('possible_states.spent_to_date') }} as customer_tier
    from possible_states
    qualify row_number() over (
        partition by possible_states.user_id, possible_states.valid_from
        order by possible_states.date desc nulls last
    ) = 1
),

bounded_states as (
    select
        states.user_id,
        states.valid_from,
        states.orders_to_date,
        states.spent_to_date,
        states.customer_tier,
        lead(states.valid_from) over (partition by states.user_id order by states.valid_from) as valid_to,
        iff(states.orders_to_date >= 2, states.orders_to_date - 1, 0) as intervals,
        iff(states.orders_to_date >= 2, states.days_spanned, 0) as interval_days
    from states
),

bookings as (
    select
        bounded_states.valid_from as date,
        bounded_states.customer_tier,
        1 as members,
        bounded_states.spent_to_date as spent,
        bounded_states.intervals,
        bounded_states.interval_days
    from bounded_states
    union all
    select
        bounded_states.valid_to as date,
        bounded_states.customer_tier,
        -1 as members,
        -bounded_states.spent_to_date as spent,
        -bounded_states.intervals as intervals,
        -bounded_states.interval_days as interval_days
    from bounded_states
    where bounded_states.valid_to is not null
),

span as (
    select min(calendar.date) as first_date
    from calendar
),

-- What was booked before the first date counts from the first date on.
booked_days as (
    select
        greatest(bookings.date, span.first_date) as date,
        bookings.customer_tier,
        sum(bookings.members) as members,
        sum(bookings.spent) as spent,
        sum(bookings.intervals) as intervals,
        sum(bookings.interval_days) as interval_days
    from bookings
    cross join span
    group by
        greatest(bookings.date, span.first_date),
        bookings.customer_tier
),

registrations as (
    select
        customers.registered_on as date,
        states.customer_tier,
        count(*) as new_customers
    from customers
    inner join states
        on
            customers.user_id = states.user_id
            and customers.registered_on = states.valid_from
    group by
        customers.registered_on,
        states.customer_tier
),

activity as (
    select
        histories.date,
        {{ customer_tier('histories.spent_to_date') }} as customer_tier,
        count(*) as active_customers,
        count_if(histories.first_date < histories.date) as repeat_customers,
        sum(histories.orders) as orders,
        sum(histories.revenue) as revenue
    from histories
    where histories.registered_on <= histories.date
    group by
        histories.date,
        {{ customer_tier('histories.spent_to_date') }}
),

tiers as (
    select known.customer_tier
    from (values ('bronze'), ('silver'), ('gold'), ('platinum')) as known (customer_tier)
),

daily as (
    select
        calendar.date,
        tiers.customer_tier,
        coalesce(registrations.new_customers, 0) as new_customers,
        coalesce(activity.active_customers, 0) as active_customers,
        coalesce(activity.repeat_customers, 0) as repeat_customers,
        coalesce(activity.orders, 0) as total_orders,
        coalesce(activity.revenue, 0) as total_revenue,
        sum(coalesce(booked_days.members, 0)) over (
            partition by tiers.customer_tier
            order by calendar.date
            rows between unbounded preceding and current row
        ) as members,
        sum(coalesce(booked_days.spent, 0)) over (
            partition by tiers.customer_tier
            order by calendar.date
            rows between unbounded preceding and current row
        ) as spent,
        sum(coalesce(booked_days.intervals, 0)) over (
            partition by tiers.customer_tier
            order by calendar.date
            rows between unbounded preceding and current row
        ) as intervals,
        sum(coalesce(booked_days.interval_days, 0)) over (
            partition by tiers.customer_tier
            order by calendar.date
            rows between unbounded preceding and current row
        ) as interval_days
    from calendar
    cross join tiers
    left join booked_days
        on
            calendar.date = booked_days.date
            and tiers.customer_tier = booked_days.customer_tier
    left join registrations
        on
            calendar.date = registrations.date
            and tiers.customer_tier = registrations.customer_tier
    left join activity
        on
            calendar.date = activity.date
            and tiers.customer_tier = activity.customer_tier
)

select
    daily.date,
    daily.customer_tier,
    cast(daily.members as number(38, 0)) as total_customers,
    cast(daily.new_customers as number(38, 0)) as new_customers,
    cast(daily.active_customers as number(38, 0)) as active_customers,
    cast(daily.total_orders as number(38, 0)) as total_orders,
    {{ ratio_or_zero('daily.total_orders', 'daily.active_customers', 2, 38) }} as avg_orders_per_customer,
    {{ ratio_or_zero('daily.total_revenue', 'daily.total_orders', 2, 38) }} as avg_order_value,
    cast(daily.total_revenue as number(38, 2)) as total_revenue,
    {{ ratio_or_zero('daily.repeat_customers', 'daily.active_customers', 4, 5) }} as repeat_purchase_rate,
    {{ exact_ratio('daily.interval_days', 'daily.intervals', 1, 7) }} as avg_days_between_orders,
    {{ ratio_or_zero('daily.spent', 'daily.members', 2, 38) }} as customer_lifetime_value,
    {{ audit_stamp() }} as created_at
from daily
