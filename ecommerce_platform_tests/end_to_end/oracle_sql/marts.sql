-- The three intermediate tables and the four marts.

create table business_dates as
select unnest(generate_series(min(business_date), max(business_date), interval 1 day))::date as date
from orders
where within_span(business_date)
having count(*) > 0;

-- What the tables by date know of purchases and their lines.
create table dated_purchases as from purchases where within_span(business_date);
create table dated_sold as from sold where within_span(business_date);

create table intermediate_int_order_analytics as
select
    o.id as order_id, o.user_id, case when within_span(o.business_date) then o.business_date end as date, o.status, o.total_amount,
    o.is_purchase as is_revenue,
    coalesce(o.status in ('shipped', 'delivered'), false) as is_completed,
    coalesce(o.status = 'cancelled', false) as is_cancelled,
    exists (
        select 1 from users as u
        where u.id = o.user_id and u.created_at::date = o.business_date and within_span(o.business_date)
    ) as is_new_customer,
    (select count(*) from order_items as i where i.order_id = o.id) as item_count,
    (select coalesce(sum(i.quantity), 0) from order_items as i where i.order_id = o.id) as total_items,
    per_hundred(
        (select coalesce(sum(i.quantity * cents(i.unit_price)), 0) from order_items as i where i.order_id = o.id)
    ) as items_total
from orders as o;

create table marts_daily_business_metrics as
with figure as (
    select
        d.date,
        count(o.order_id) as total_orders,
        count(o.order_id) filter (where o.is_completed) as completed_orders,
        count(o.order_id) filter (where o.is_cancelled) as cancelled_orders,
        count(o.order_id) filter (where o.is_revenue) as purchases,
        count(distinct o.user_id) as total_active_customers,
        count(distinct o.user_id) filter (where o.is_new_customer) as new_customers,
        coalesce(sum(cents(o.total_amount)) filter (where o.is_revenue), 0) as revenue,
        coalesce(sum(cents(o.total_amount)) filter (where o.is_revenue and o.is_new_customer), 0) as revenue_new
    from business_dates as d
    left join intermediate_int_order_analytics as o on o.date = d.date
    group by d.date
),

item_figure as (
    select business_date as date, sum(quantity) as items, count(distinct product_id) as products
    from dated_sold
    group by business_date
)

select
    f.date,
    f.new_customers,
    f.total_active_customers - f.new_customers as returning_customers,
    f.total_active_customers,
    f.total_orders,
    f.completed_orders,
    f.cancelled_orders,
    average_money(f.revenue, f.purchases) as avg_order_value,
    per_hundred(f.revenue) as total_revenue,
    per_hundred(f.revenue_new) as revenue_from_new_customers,
    per_hundred(f.revenue - f.revenue_new) as revenue_from_returning_customers,
    coalesce(i.items, 0) as total_items_sold,
    coalesce(i.products, 0) as unique_products_sold,
    ratio(f.new_customers, f.total_active_customers) as customer_acquisition_rate,
    ratio(f.completed_orders, f.total_orders) as order_completion_rate,
    average(coalesce(i.items, 0), f.purchases) as average_items_per_order
from figure as f
left join item_figure as i on i.date = f.date;

create table marts_customer_tier_analytics as
with member as (
    select
        d.date, u.id, u.created_at::date = d.date as is_new,
        count(p.order_id) as purchases,
        coalesce(sum(p.cents), 0) as spent,
        max(p.business_date) - min(p.business_date) as span,
        count(p.order_id) filter (where p.business_date = d.date) as purchases_today,
        coalesce(sum(p.cents) filter (where p.business_date = d.date), 0) as spent_today,
        count(p.order_id) filter (where p.business_date < d.date) as purchases_before
    from business_dates as d
    inner join users as u on u.created_at::date <= d.date
    left join dated_purchases as p on p.user_id = u.id and p.business_date <= d.date
    group by all
),

figure as (
    select
        date, tier(spent) as customer_tier,
        count(*) as members,
        count(*) filter (where is_new) as new_members,
        count(*) filter (where purchases_today > 0) as active,
        count(*) filter (where purchases_today > 0 and purchases_before > 0) as repeating,
        sum(purchases_today) as orders,
        sum(spent_today) as revenue,
        sum(spent) as lifetime,
        sum(span) filter (where purchases >= 2) as days_between,
        sum(purchases - 1) filter (where purchases >= 2) as gaps
    from member
    group by all
)

select
    d.date, t.customer_tier,
    coalesce(f.members, 0) as total_customers,
    coalesce(f.new_members, 0) as new_customers,
    coalesce(f.active, 0) as active_customers,
    coalesce(f.orders, 0) as total_orders,
    average(coalesce(f.orders, 0), coalesce(f.active, 0)) as avg_orders_per_customer,
    average_money(coalesce(f.revenue, 0), coalesce(f.orders, 0)) as avg_order_value,
    per_hundred(coalesce(f.revenue, 0)) as total_revenue,
    ratio(coalesce(f.repeating, 0), coalesce(f.active, 0)) as repeat_purchase_rate,
    per_ten(rounded(f.days_between * 10, f.gaps)) as avg_days_between_orders,
    average_money(coalesce(f.lifetime, 0), coalesce(f.members, 0)) as customer_lifetime_value
from business_dates as d
cross join (values ('bronze'), ('silver'), ('gold'), ('platinum')) as t (customer_tier)
left join figure as f on f.date = d.date and f.customer_tier = t.customer_tier;

create table product_day as
select
    business_date as date, product_id, sum(quantity) as units, sum(cents) as cents,
    count(distinct user_id) as buyers, count(distinct order_id) as orders
from dated_sold
where product_id is not null
group by business_date, product_id;

create table intermediate_int_product_analytics as
select
    date, product_id, units as units_sold, per_hundred(cents) as total_revenue,
    average_money(cents, units) as avg_selling_price, buyers as unique_customers, orders as total_orders
from product_day;

create table marts_product_performance as
with stock_history as (
    select
        id as product_id, stock_quantity, __source_ts_ms as valid_from,
        row_number() over (partition by id order by __source_ts_ms, event_order) as step
    from history_products
    where __op <> 'DELETE' and stock_quantity is not null
),

known as (
    select
        d.*, p.name as product_name, p.category,
        (
            select arg_max(h.stock_quantity, h.step) from stock_history as h
            where h.product_id = d.product_id and h.valid_from < d.date + interval 1 day
        ) as stock,
        (
            select sum(r.units) from product_day as r
            where
                r.product_id = d.product_id and r.date <= d.date and r.date > d.date - getvariable('recent_days')
        ) as recent_units,
        (
            select count(distinct s.user_id) from dated_sold as s
            where
                s.product_id = d.product_id and s.business_date = d.date
                and exists (
                    select 1 from dated_sold as e
                    where
                        e.product_id = s.product_id and e.user_id = s.user_id and e.business_date < s.business_date
                )
        ) as repeat_buyers
    from product_day as d
    left join products as p on p.id = d.product_id
),

ranked as (
    select
        a.date, a.product_id,
        1 + count(*) filter (where b.cents > a.cents) as revenue_place,
        1 + count(*) filter (where b.units > a.units) as units_place,
        count(*) as products_in_category
    from known as a
    inner join known as b on b.date = a.date and b.category is not distinct from a.category
    group by a.date, a.product_id
)

select
    k.date, k.product_id, k.product_name, k.category,
    k.units as units_sold,
    per_hundred(k.cents) as total_revenue,
    average_money(k.cents, k.units) as avg_selling_price,
    k.buyers as unique_customers,
    k.repeat_buyers as repeat_customers,
    r.revenue_place as revenue_rank_in_category,
    r.units_place as units_rank_in_category,
    r.revenue_place = 1
    or r.revenue_place * 100 <= getvariable('top_percent') * r.products_in_category as is_top_performer,
    k.stock as current_stock_level,
    case
        when k.recent_units > 0 then rounded(k.stock * getvariable('recent_days'), k.recent_units)
    end as days_of_inventory_remaining
from known as k
inner join ranked as r on r.date = k.date and r.product_id = k.product_id;

create table customer_figure as
select
    u.id,
    count(p.order_id) as purchases,
    coalesce(sum(p.cents), 0) as spent,
    min(p.business_date) filter (where within_span(p.business_date)) as first_date,
    max(p.business_date) filter (where within_span(p.business_date)) as last_date,
    count(p.order_id) filter (where within_span(p.business_date)) as dated_purchases,
    coalesce(sum(p.cents) filter (where within_span(p.business_date)), 0) as dated_spent
from users as u
left join purchases as p on p.user_id = u.id
group by u.id;

create table intermediate_int_customer_metrics as
select
    u.id, u.email, u.first_name, u.last_name,
    f.purchases as total_orders,
    per_hundred(f.spent) as total_spent,
    average_money(f.spent, f.purchases) as avg_order_value,
    f.first_date as first_order_date,
    f.last_date as last_order_date,
    (select count(distinct s.product_id) from sold as s where s.user_id = u.id) as unique_products_purchased,
    (select coalesce(sum(s.quantity), 0) from sold as s where s.user_id = u.id) as total_items_purchased,
    f.dated_purchases as orders_in_span,
    per_hundred(f.dated_spent) as spent_in_span
from users as u
inner join customer_figure as f on f.id = u.id;

create table marts_customer_analytics as
with category_units as (
    select s.user_id, p.category, sum(s.quantity) as units
    from sold as s
    inner join products as p on p.id = s.product_id
    where p.category is not null
    group by s.user_id, p.category
),

favourite as (
    select user_id, category
    from category_units
    qualify row_number() over (partition by user_id order by units desc, category) = 1
)

select
    u.id as customer_id, u.email, u.full_name,
    u.created_at::date as registration_date,
    u.days_since_registration,
    f.first_date as first_order_date,
    f.last_date as last_order_date,
    f.purchases as total_orders,
    per_hundred(f.spent) as total_spent,
    average_money(f.spent, f.purchases) as avg_order_value,
    case
        when f.dated_purchases >= 2
            then per_ten(rounded((f.last_date - f.first_date) * 10, f.dated_purchases - 1))
    end as avg_days_between_orders,
    c.category as favorite_category,
    m.total_items_purchased,
    u.customer_tier,
    coalesce(f.last_date > getvariable('as_of')::date - getvariable('active_days'), false) as is_active,
    coalesce(getvariable('as_of')::date - f.last_date >= getvariable('at_risk_days'), false) as is_at_risk,
    per_hundred(
        case
            when f.dated_purchases = 0 then 0
            else rounded(f.dated_spent * 365, greatest(1, getvariable('as_of')::date - f.first_date + 1))
        end
    ) as predicted_ltv
from staging_users_enhanced as u
inner join customer_figure as f on f.id = u.id
inner join intermediate_int_customer_metrics as m on m.id = u.id
left join favourite as c on c.user_id = u.id;
