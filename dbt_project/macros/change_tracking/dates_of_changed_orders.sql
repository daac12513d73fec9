{#-
    Adds to base_changed_keys every date that an event gave, with the user that it named: of a changed order, of an order with
    changed items, and of the orders of customers who may have registered at another time. A statement of its own, after the keys have been written: engines then
    know that they are few, and leave out the events of others. Within the statement that finds the keys they expect many, and
    read all events once for each entity.
-#}
{% macro insert_dates_of_changed_orders() -%}
    insert into {{ this }} (entity, id, date)
    {%- for entity, column, keys_of_orders in (
        ('order_dates', 'id', 'orders'),
        ('order_dates_of_order_items', 'id', 'orders_of_order_items'),
        ('order_dates_of_users', 'user_id', 'users_by_registration'),
    ) %}
    select distinct
        '{{ entity }}' as entity,
        orders.user_id as id,
        to_date(orders.created_at) as date
    from ({{ events_ever_loaded('orders', ['id', 'user_id', 'created_at']) }}) as orders
    where
        orders.{{ column }} in (
            select keys.id
            from {{ this }} as keys
            where keys.entity = '{{ keys_of_orders }}'
        )
        and orders.created_at is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}
