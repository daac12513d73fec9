{#-
    int_earlier_purchases keeps what was bought before a date, so that a day reads no older orders for the customers that come back.
    The date is the first of a month, so that it moves once a month; behind it lie the days on which orders mostly still change.
-#}
{% macro end_of_earlier_purchases() -%}
    {%- set query -%}
        select date_trunc('month', dateadd('day', -14, max(landing_days.date))) from {{ ref('base_landing_days') }} as landing_days
    {%- endset -%}
    {{ date_constant(query, '0001-01-01', table=ref('base_landing_days')) }}
{%- endmacro %}


{#-
    The users with a changed order, or with changed items of one, that ever had a date before the end; all users when the end has
    moved. Asked for when the model is built: mostly there are none, and then nothing is read.
-#}
{% macro affected_rows_of_int_earlier_purchases() -%}
    {%- set end = end_of_earlier_purchases() -%}
    {%- set users -%}
        select changed.id
        from {{ ref('base_changed_keys') }} as changed
        where
            changed.entity in ('order_dates', 'order_dates_of_order_items')
            and changed.date < {{ end }}
    {%- endset -%}
    {%- set query -%}
        select
            max(earlier_purchases.end_date) as end_date,
            (select count(*) from ({{ users }}) as affected) as affected_users
        from {{ this }} as earlier_purchases
    {%- endset -%}
    {%- set row = run_query(query).rows[0] if execute else [none, 0] -%}
    {%- if (row[0] | string)[:10] not in end -%}
        true
    {%- elif row[1] == 0 -%}
        false
    {%- else -%}
        user_id in ({{ users }})
    {%- endif -%}
{%- endmacro %}


{#- The date from which on a model reads orders itself, beside what int_earlier_purchases has; that of the table as it is. -#}
{% macro first_recent_date() -%}
    {%- set kept = ref('int_earlier_purchases') -%}
    {%- set query -%}
        select max(earlier_purchases.end_date) from {{ kept }} as earlier_purchases
    {%- endset -%}
    {{ date_constant(query, '0001-01-01', table=kept) }}
{%- endmacro %}


{#- Condition: a business date is not behind what int_earlier_purchases has; null is not. -#}
{% macro is_recent(business_date) -%}
    (
        {{ business_date }} >= {{ first_recent_date() }}
        or {{ business_date }} is null
    )
{%- endmacro %}


{#-
    Condition: a line of an order is one of these purchases. The join says so, too; by this condition engines know before they join
    which lines they can leave out.
-#}
{% macro is_line_of(purchases) -%}
    order_items.order_id in (
        select known.order_id
        from {{ purchases }} as known
    )
{%- endmacro %}
