{#-
    The sets of base_changed_keys as subqueries for `in`. Entities: a table's name (keys whose events changed),
    users_of_orders (every user that a changed order ever named), orders_of_items (every order that a changed item ever named).
-#}
{% macro changed_ids(entity) -%}
    select changed.id
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity = '{{ entity }}'
{%- endmacro %}


{#-
    Business dates whose numbers may differ after this run: every date that an event of a changed order ever gave, and the
    date of each order whose user or items changed.
-#}
{% macro affected_dates(include_users=true) -%}
    select changed.date
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity = 'order_dates'
    union
    select orders.business_date as date
    from {{ ref('base_orders') }} as orders
    where
        orders.id in ({{ changed_ids('orders_of_items') }})
        {%- if include_users %}
        or orders.user_id in ({{ changed_ids('users') }})
        {%- endif %}
{%- endmacro %}


{#- The as-of day: the highest landing day that this run applies. No model asks the clock. -#}
{% macro as_of_day() -%}
    (select max(landing_days.date) from {{ ref('base_landing_days') }} as landing_days)
{%- endmacro %}


{#-
    Condition: a business date lies in the span that the figures by date cover (docs/definitions.md); null does not. The last
    date moves with the as-of day, and never backwards without a full refresh.
-#}
{% macro is_in_span(business_date, day=none) -%}
    coalesce(
        {{ business_date }} >= to_date('{{ var("first_business_date") }}')
        and {{ business_date }} <= {{ last_business_date(day or as_of_day()) }},
        false
    )
{%- endmacro %}


{#- The last date of the span on an as-of day. -#}
{% macro last_business_date(day) -%}
    cast(dateadd('year', {{ var('years_after_last_day') }}, {{ day }}) as date)
{%- endmacro %}


{#- Audit stamp of a row, UTC; the one value that differs between two runs over the same days. -#}
{% macro audit_stamp() -%}
    cast(sysdate() as timestamp_ntz)
{%- endmacro %}


{#- What the run that last finished had applied: the platform's own memory, written after a run succeeded. -#}
{% macro applied_days() -%}
    {{ target.database }}.STAGING.APPLIED_DAYS
{%- endmacro %}
