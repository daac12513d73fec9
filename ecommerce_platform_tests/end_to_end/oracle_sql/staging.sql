-- The four staging tables. `staging` prefixes stand for the schema.

create macro within_span(day) as
    day >= getvariable('start_date')::date - to_years(getvariable('years_before_start'))
    and day <= getvariable('as_of')::date + to_years(getvariable('years_after_last_day'));

create table staging_users_enhanced as
select
    u.id, u.email, u.first_name, u.last_name,
    case
        when is_blank(u.first_name) and is_blank(u.last_name) then null
        when is_blank(u.first_name) then trim(u.last_name, ' ')
        when is_blank(u.last_name) then trim(u.first_name, ' ')
        else trim(u.first_name, ' ') || ' ' || trim(u.last_name, ' ')
    end as full_name,
    u.created_at, u.updated_at,
    coalesce(
        regexp_full_match(u.email, '[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}'), false
    ) as is_valid_email,
    not (is_blank(u.email) or is_blank(u.first_name) or is_blank(u.last_name)) as is_complete_profile,
    tier(coalesce((select sum(p.cents) from purchases as p where p.user_id = u.id), 0)) as customer_tier,
    getvariable('as_of')::date - u.created_at::date as days_since_registration
from users as u;

create table staging_products_enhanced as
with popularity as (
    select
        p.id,
        (
            select count(distinct s.order_id)
            from sold as s
            where
                s.product_id = p.id
                and s.business_date > getvariable('as_of')::date - getvariable('recent_days')
                and s.business_date <= getvariable('as_of')::date
        ) as recent_orders
    from products as p
),

ranked as (
    select a.id, a.recent_orders, 1 + count(b.id) as place
    from popularity as a
    left join popularity as b on b.recent_orders > a.recent_orders
    group by a.id, a.recent_orders
)

select
    p.id, p.name, p.description, p.price, p.stock_quantity, p.category, p.created_at, p.updated_at,
    case
        when p.price is null then null
        when cents(p.price) < getvariable('price_mid_range_cents') then 'budget'
        when cents(p.price) < getvariable('price_premium_cents') then 'mid-range'
        else 'premium'
    end as price_tier,
    coalesce(p.stock_quantity > 0, false) as is_in_stock,
    r.recent_orders > 0
    and r.place * 100 <= getvariable('top_percent') * (select count(*) from products) as is_popular,
    not (is_blank(p.name) or is_blank(p.description) or is_blank(p.category))
    and p.price is not null and p.stock_quantity is not null as has_complete_info
from products as p
inner join ranked as r on r.id = p.id;

create table staging_orders_enhanced as
with delivered as (
    select id, min(__source_ts_ms)::date as delivered_on
    from history_orders
    where __op <> 'DELETE' and status = 'delivered'
    group by id
)

select
    o.id, o.user_id, o.status, o.total_amount, o.shipping_address, o.created_at, o.updated_at,
    case
        when o.total_amount is null then null
        when cents(o.total_amount) < getvariable('order_medium_cents') then 'small'
        when cents(o.total_amount) < getvariable('order_large_cents') then 'medium'
        else 'large'
    end as order_size_category,
    case when o.status in ('shipped', 'delivered') then d.delivered_on - o.business_date end as days_to_fulfillment,
    exists (
        select 1 from purchases as p
        where
            p.user_id = o.user_id
            and (p.created_at < o.created_at or (p.created_at = o.created_at and p.order_id < o.id))
    ) as is_repeat_customer,
    coalesce(o.total_amount >= 0, false)
    and coalesce(o.status in ('pending', 'processing', 'shipped', 'delivered', 'cancelled'), false)
    and exists (select 1 from users as u where u.id = o.user_id) as is_valid_order,
    not is_blank(o.shipping_address) as has_shipping_address,
    within_span(o.business_date) as has_date_in_span
from orders as o
left join delivered as d on d.id = o.id;

create table staging_order_items_enhanced as
with priced_item as (
    select i.*, coalesce(o.created_at, i.created_at) as ordered_at
    from order_items as i
    left join orders as o on o.id = i.order_id
),

price_history as (
    select
        id as product_id, cents(price) as price_cents, __source_ts_ms as valid_from,
        row_number() over (partition by id order by __source_ts_ms, event_order) as step
    from history_products
    where __op <> 'DELETE' and price is not null
),

step_of_item as (
    select i.id, coalesce(max(h.step) filter (where h.valid_from <= i.ordered_at), min(h.step)) as step
    from priced_item as i
    inner join price_history as h on h.product_id = i.product_id
    group by i.id
)

select
    i.id, i.order_id, i.product_id, i.quantity, i.unit_price,
    per_hundred(i.quantity * cents(i.unit_price)) as line_total,
    i.created_at,
    p.name as product_name, p.category as product_category,
    per_hundred((h.price_cents - cents(i.unit_price)) * i.quantity) as discount_amount,
    per_hundred(
        rounded(
            i.quantity * cents(i.unit_price) * getvariable('cost_ratio_divisor')
            - i.quantity * h.price_cents * getvariable('cost_ratio_dividend'),
            getvariable('cost_ratio_divisor')
        )
    ) as margin_amount
from priced_item as i
left join products as p on p.id = i.product_id
left join step_of_item as s on s.id = i.id
left join price_history as h on h.product_id = i.product_id and h.step = s.step;
