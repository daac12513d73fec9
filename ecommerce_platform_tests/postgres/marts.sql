-- The marts over PostgreSQL's own tables: every column that the current rows determine. What hangs on history (stock as of a
-- day, catalog prices) is not here. Written from docs/definitions.md. The as-of day is the parameter `as_of`.

-- name: parts
-- Dates from ten years before the start date to one after the as-of day have rows; an order outside them has no day.
create function pg_temp.day_of(created timestamp) returns date language sql stable as
'select case when created::date between date ''2016-01-01'' and current_setting(''shop.as_of'')::date + interval ''1 year'' then created::date end';

create temporary view purchases as
select id, user_id, pg_temp.day_of(created_at) as day, coalesce(total_amount, 0) as amount
from orders
where status in ('processing', 'shipped', 'delivered');

create temporary view sold as
select p.id as order_id, p.user_id, p.day, i.product_id, coalesce(i.quantity, 0) as quantity,
    coalesce(i.quantity * i.unit_price, 0) as amount
from order_items as i
inner join purchases as p on p.id = i.order_id;

create temporary view business_dates as
select generate_series(min(pg_temp.day_of(created_at)), max(pg_temp.day_of(created_at)), '1 day')::date as day
from orders;

create function pg_temp.quotient(dividend numeric, divisor numeric, places int) returns numeric language sql immutable as
'select case when coalesce(divisor, 0) = 0 then 0 else round(coalesce(dividend, 0) / divisor, places) end';

create function pg_temp.tier(spent numeric) returns text language sql immutable as
'select case when spent >= 5000 then ''platinum'' when spent >= 2000 then ''gold'' when spent >= 500 then ''silver'' else ''bronze'' end';

-- name: daily_business_metrics
with order_on as (
    select o.*, o.created_at::date as day, status in ('processing', 'shipped', 'delivered') as is_purchase,
        exists (select from users as u where u.id = o.user_id and u.created_at::date = o.created_at::date) as is_new
    from orders as o
),

figure as (
    select d.day,
        count(o.id) as total_orders,
        count(o.id) filter (where status in ('shipped', 'delivered')) as completed_orders,
        count(o.id) filter (where status = 'cancelled') as cancelled_orders,
        count(o.id) filter (where is_purchase) as purchases,
        count(distinct user_id) as active,
        count(distinct user_id) filter (where is_new) as new,
        coalesce(sum(total_amount) filter (where is_purchase), 0) as revenue,
        coalesce(sum(total_amount) filter (where is_purchase and is_new), 0) as revenue_new
    from business_dates as d
    left join order_on as o on o.day = d.day
    group by d.day
),

item as (
    select day, sum(quantity) as items, count(distinct product_id) as products
    from sold
    group by day
)

select f.day as date, new as new_customers, active - new as returning_customers, active as total_active_customers,
    total_orders, completed_orders, cancelled_orders,
    pg_temp.quotient(revenue, purchases, 2) as avg_order_value,
    revenue as total_revenue, revenue_new as revenue_from_new_customers,
    revenue - revenue_new as revenue_from_returning_customers,
    coalesce(items, 0) as total_items_sold, coalesce(products, 0) as unique_products_sold,
    pg_temp.quotient(new, active, 4) as customer_acquisition_rate,
    pg_temp.quotient(completed_orders, total_orders, 4) as order_completion_rate,
    pg_temp.quotient(items, purchases, 2) as average_items_per_order
from figure as f
left join item as i on i.day = f.day;

-- name: customer_analytics
with spend as (
    select user_id, count(*) as purchases, sum(amount) as spent, min(day) as first_day, max(day) as last_day,
        count(day) as dated, sum(amount) filter (where day is not null) as dated_spent
    from purchases
    group by user_id
),

bought as (
    select user_id, sum(quantity) as items
    from sold
    group by user_id
),

favourite as (
    select distinct on (s.user_id) s.user_id, p.category
    from sold as s
    inner join products as p on p.id = s.product_id
    where p.category is not null
    group by s.user_id, p.category
    order by s.user_id, sum(s.quantity) desc, p.category collate "C"
)

select u.id as customer_id, u.email,
    nullif(concat_ws(' ', nullif(trim(u.first_name), ''), nullif(trim(u.last_name), '')), '') as full_name,
    u.created_at::date as registration_date,
    %(as_of)s::date - u.created_at::date as days_since_registration,
    first_day as first_order_date, last_day as last_order_date,
    coalesce(purchases, 0) as total_orders, coalesce(spent, 0) as total_spent,
    pg_temp.quotient(spent, purchases, 2) as avg_order_value,
    case when dated >= 2 then round((last_day - first_day)::numeric / (dated - 1), 1) end as avg_days_between_orders,
    category as favorite_category, coalesce(items, 0) as total_items_purchased,
    pg_temp.tier(coalesce(spent, 0)) as customer_tier,
    coalesce(last_day > %(as_of)s::date - 90, false) as is_active,
    coalesce(%(as_of)s::date - last_day >= 180, false) as is_at_risk,
    coalesce(round(dated_spent * 365 / greatest(1, %(as_of)s::date - first_day + 1), 2), 0) as predicted_ltv
from users as u
left join spend as s on s.user_id = u.id
left join bought as b on b.user_id = u.id
left join favourite as f on f.user_id = u.id;

-- name: product_performance
with day_of_product as (
    select day, product_id, sum(quantity) as units, sum(amount) as revenue, count(distinct user_id) as buyers
    from sold
    where product_id is not null and day is not null
    group by day, product_id
),

bought_first as (
    select product_id, user_id, min(day) as day
    from sold
    group by product_id, user_id
),

again as (
    select s.day, s.product_id, count(distinct s.user_id) as buyers
    from sold as s
    inner join bought_first as b on b.product_id = s.product_id and b.user_id = s.user_id and b.day < s.day
    group by s.day, s.product_id
),

ranked as (
    select d.*, p.name, p.category,
        rank() over (partition by d.day, p.category order by d.revenue desc) as by_revenue,
        rank() over (partition by d.day, p.category order by d.units desc) as by_units,
        count(*) over (partition by d.day, p.category) as beside
    from day_of_product as d
    left join products as p on p.id = d.product_id
)

select r.day as date, r.product_id, r.name as product_name, r.category,
    r.units as units_sold, r.revenue as total_revenue, pg_temp.quotient(r.revenue, r.units, 2) as avg_selling_price,
    r.buyers as unique_customers, coalesce(a.buyers, 0) as repeat_customers,
    r.by_revenue as revenue_rank_in_category, r.by_units as units_rank_in_category,
    r.by_revenue = 1 or r.by_revenue * 100 <= 20 * r.beside as is_top_performer
from ranked as r
left join again as a on a.day = r.day and a.product_id = r.product_id;

-- name: customer_tier_analytics
with member as (
    select d.day, u.id, u.created_at::date = d.day as is_new,
        count(p.id) as purchases, coalesce(sum(p.amount), 0) as spent, max(p.day) - min(p.day) as span,
        count(p.id) filter (where p.day = d.day) as today,
        coalesce(sum(p.amount) filter (where p.day = d.day), 0) as spent_today
    from business_dates as d
    inner join users as u on u.created_at::date <= d.day
    left join purchases as p on p.user_id = u.id and p.day <= d.day
    group by d.day, u.id, u.created_at
),

figure as (
    select day, pg_temp.tier(spent) as tier,
        count(*) as members, count(*) filter (where is_new) as new,
        count(*) filter (where today > 0) as active,
        count(*) filter (where today > 0 and purchases > today) as repeating,
        sum(today) as orders, sum(spent_today) as revenue, sum(spent) as lifetime,
        sum(span) filter (where purchases >= 2) as days_between, sum(purchases - 1) filter (where purchases >= 2) as gaps
    from member
    group by 1, 2
)

select d.day as date, t.tier as customer_tier,
    coalesce(members, 0) as total_customers, coalesce(new, 0) as new_customers, coalesce(active, 0) as active_customers,
    coalesce(orders, 0) as total_orders,
    pg_temp.quotient(orders, active, 2) as avg_orders_per_customer, pg_temp.quotient(revenue, orders, 2) as avg_order_value,
    coalesce(revenue, 0) as total_revenue, pg_temp.quotient(repeating, active, 4) as repeat_purchase_rate,
    round(days_between::numeric / gaps, 1) as avg_days_between_orders,
    pg_temp.quotient(lifetime, members, 2) as customer_lifetime_value
from business_dates as d
cross join (values ('bronze'), ('silver'), ('gold'), ('platinum')) as t (tier)
left join figure as f on f.day = d.day and f.tier = t.tier;
