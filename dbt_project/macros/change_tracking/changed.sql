{#-
    The sets of base_changed_keys as subqueries for `in`. Entities: a table's name (keys whose events changed), and
    `<parent>_of_<table>` for each foreign key (every key of the parent that a changed row ever named).
-#}
{% macro changed_ids(table, of=none) -%}
    {%- set entity = table ~ '_of_' ~ of if of else table -%}
    select changed.{{ key_column(table) }}
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity = '{{ entity }}'
{%- endmacro %}


{#-
    What the events of a table's changed keys ever named: for its n-th foreign key the pair `parent_<n>_id`, `parent_<n>_key_text`, and
    `business_date`, the date of the column `dated_by`. `changed` has `entity`, `id` and `key_text`.
-#}
{% macro named_by(table, changed, dated_by=none) -%}
    {%- set columns = key_columns(table) + foreign_keys(table) | sum(attribute='columns', start=[]) -%}
    {%- set columns = (columns + [dated_by] if dated_by else columns) | unique | list -%}
    select distinct
        {%- if dated_by %}
        to_date(events.{{ dated_by }}) as business_date,
        {%- endif %}
        {%- for foreign_key in foreign_keys(table) %}
        {{ key_pair(foreign_key.parent, 'events', foreign_key.columns, 'parent_' ~ loop.index ~ '_') }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from (
        {%- for relation in (source('raw', table), source('raw', 'superseded_' ~ table)) %}
        select
            raw_events.{{ columns | join(',\n            raw_events.') }}
        from {{ relation }} as raw_events
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ) as events
    where
        {{ key_value(table, 'events') }} in (
            select {{ changed }}.{{ key_column(table) }}
            from {{ changed }}
            where {{ changed }}.entity = '{{ table }}'
        )
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
        orders.id in ({{ changed_ids('orders', of='order_items') }})
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
