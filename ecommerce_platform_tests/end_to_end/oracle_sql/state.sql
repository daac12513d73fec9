-- From events to the latest state. Input: tables event_users, event_products, event_orders, event_order_items,
-- whose column event_order numbers the events of each key (../event_order.py).

-- Whole-number division, half away from zero, without any float: units of a sixth decimal never get lost.
create macro rounded(dividend, divisor) as
    sign(dividend)::hugeint * sign(divisor)::hugeint
    * ((2 * abs(dividend::hugeint) + abs(divisor::hugeint)) // (2 * abs(divisor::hugeint)));
create macro per_hundred(units) as (units::decimal(38, 0) * 0.01::decimal(3, 2))::decimal(38, 2);
create macro per_ten(units) as (units::decimal(30, 0) * 0.1::decimal(2, 1))::decimal(18, 1);
create macro per_ten_thousand(units) as (units::decimal(30, 0) * 0.0001::decimal(5, 4))::decimal(18, 4);
create macro ratio(dividend, divisor) as
    per_ten_thousand(case when divisor = 0 then 0 else rounded(dividend * 10000, divisor) end);
create macro average(dividend, divisor) as
    per_hundred(case when divisor = 0 then 0 else rounded(dividend * 100, divisor) end);
create macro average_money(cents, divisor) as
    per_hundred(case when divisor = 0 then 0 else rounded(cents, divisor) end);
create macro cents(amount) as (amount * 100)::bigint::hugeint;
create macro is_blank(words) as (words is null or trim(words, ' ') = '');
create macro unchanged() as '__debezium_unavailable_value';
-- A real value in a wrapper: a null inside is a value, a null wrapper is none.
create macro real_value(op, words) as
    case when op <> 'DELETE' and words is distinct from unchanged() then struct_pack(v := words) end;

create table history_users as
select
    * replace (
        case when email = unchanged()
            then (last_value(real_value(__op, email) ignore nulls) over earlier).v else email end as email,
        case when first_name = unchanged()
            then (last_value(real_value(__op, first_name) ignore nulls) over earlier).v else first_name end as first_name,
        case when last_name = unchanged()
            then (last_value(real_value(__op, last_name) ignore nulls) over earlier).v else last_name end as last_name
    )
from event_users
window earlier as (
    partition by id order by event_order
    rows between unbounded preceding and 1 preceding
);

create table history_products as
select
    * replace (
        case when name = unchanged()
            then (last_value(real_value(__op, name) ignore nulls) over earlier).v else name end as name,
        case when description = unchanged()
            then (last_value(real_value(__op, description) ignore nulls) over earlier).v
            else description end as description,
        case when category = unchanged()
            then (last_value(real_value(__op, category) ignore nulls) over earlier).v else category end as category
    )
from event_products
window earlier as (
    partition by id order by event_order
    rows between unbounded preceding and 1 preceding
);

create table history_orders as
select
    * replace (
        case when status = unchanged()
            then (last_value(real_value(__op, status) ignore nulls) over earlier).v else status end as status,
        case when shipping_address = unchanged()
            then (last_value(real_value(__op, shipping_address) ignore nulls) over earlier).v
            else shipping_address end as shipping_address
    )
from event_orders
window earlier as (
    partition by id order by event_order
    rows between unbounded preceding and 1 preceding
);

create table history_order_items as
from event_order_items;

create table users as
from history_users as h
where event_order = (select max(event_order) from history_users as l where l.id = h.id) and __op <> 'DELETE';

create table products as
from history_products as h
where event_order = (select max(event_order) from history_products as l where l.id = h.id) and __op <> 'DELETE';

create table orders as
select *, created_at::date as business_date, coalesce(status in ('processing', 'shipped', 'delivered'), false) as is_purchase
from history_orders as h
where event_order = (select max(event_order) from history_orders as l where l.id = h.id) and __op <> 'DELETE';

create table order_items as
from history_order_items as h
where event_order = (select max(event_order) from history_order_items as l where l.id = h.id) and __op <> 'DELETE';

create table purchases as
select id as order_id, user_id, business_date, created_at, coalesce(cents(total_amount), 0) as cents
from orders
where is_purchase;

-- Lines of purchases, at the order's business date.
create table sold as
select
    p.order_id, p.user_id, p.business_date, i.product_id, coalesce(i.quantity, 0) as quantity,
    coalesce(i.quantity * cents(i.unit_price), 0) as cents
from order_items as i
inner join purchases as p on p.order_id = i.order_id;

create macro tier(spent_cents) as
    case
        when spent_cents >= getvariable('tier_platinum_cents') then 'platinum'
        when spent_cents >= getvariable('tier_gold_cents') then 'gold'
        when spent_cents >= getvariable('tier_silver_cents') then 'silver'
        else 'bronze'
    end;
