{#-
    The sets of base_changed_keys as subqueries for `in`. Entities with keys: a table's name (keys whose events changed),
    `<parent>_of_<table>` for each foreign key (every key of the parent that a changed row ever named), and `<table>_by_<name>`
    (those of the changed keys whose columns, or whose existence, may be others than before; macro `watched_columns`).
-#}
{% macro changed_ids(table, of=none, by=none) -%}
    {%- set entity = table ~ '_of_' ~ of if of else table ~ '_by_' ~ by if by else table -%}
    select changed.{{ key_column(table) }}
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity = '{{ entity }}'
{%- endmacro %}


{#- By table and name of a set `<table>_by_<name>`: the columns whose values it asks for. -#}
{% macro watched_columns() -%}
    {{ return({
        'users': {'registration': ['created_at']},
        'products': {'name': ['name', 'category']},
    }) }}
{%- endmacro %}


{#- All events of a table that are or were loaded: `columns`, `is_settled` (of a load that was applied before), `is_new`. -#}
{% macro loaded_events(table, columns) -%}
    select
        raw_events.{{ columns | join(',\n        raw_events.') }},
        coalesce(not landing_days.is_pending, false) as is_settled,
        coalesce(landing_days.is_pending, false) as is_new
    from {{ source('raw', table) }} as raw_events
    left join {{ ref('base_landing_days') }} as landing_days
        on
            raw_events.date = landing_days.date
            and landing_days.table_name = '{{ table }}'
    union all
    select
        superseded.{{ columns | join(',\n        superseded.') }},
        false as is_settled,
        true as is_new
    from {{ source('raw', 'superseded_' ~ table) }} as superseded
{%- endmacro %}


{#-
    Of the keys of a subquery those whose columns, or whose existence, may be others than before: not those of which one event was
    applied before, none was a delete, and all gave the same values. Events before the last one that was applied say nothing: it is
    behind them with and without what is new. (A row without an LSN may stand anywhere.) A text that an event leaves out may come
    from another key.
-#}
{% macro keys_with_other(table, columns, keys) -%}
    select {{ key_list(table, 'events') }}
    from (
        select
            loaded.*,
            max(iff(loaded.is_settled, loaded.__source_lsn, null)) over (
                partition by {{ key_list(table, 'loaded') }}
            ) as last_settled_lsn
        from (
            {{ loaded_events(table, (key_columns(table) + columns + ['__op', '__source_lsn']) | unique | list) }}
        ) as loaded
        where {{ key_value(table, 'loaded') }} in ({{ keys }})
    ) as events
    where
        events.__source_lsn is null
        or events.last_settled_lsn is null
        or events.__source_lsn >= events.last_settled_lsn
    group by {{ key_list(table, 'events') }}
    having
        count_if(events.__op = 'DELETE') > 0
        or count_if(events.is_settled) = 0
        {%- for column in columns %}
        or count(distinct events.{{ column }}) <> 1
        or count(events.{{ column }}) < count(*)
        {%- if column in text_columns(table) %}
        or count_if(events.{{ column }} = '{{ var("unchanged_placeholder") }}') > 0
        {%- endif %}
        {%- endfor %}
{%- endmacro %}


{#-
    What the events of a table's changed keys ever named: for its n-th foreign key the pair `parent_<n>_id`, `parent_<n>_key_text`.
    `changed` has `entity`, `id` and `key_text`.
-#}
{% macro named_by(table, changed) -%}
    {%- set columns = (key_columns(table) + foreign_keys(table) | sum(attribute='columns', start=[])) | unique | list -%}
    select distinct
        {%- for foreign_key in foreign_keys(table) %}
        {{ key_pair(foreign_key.parent, 'events', foreign_key.columns, 'parent_' ~ loop.index ~ '_') }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from ({{ events_ever_loaded(table, columns) }}) as events
    where
        {{ key_value(table, 'events') }} in (
            select {{ changed }}.{{ key_column(table) }}
            from {{ changed }}
            where {{ changed }}.entity = '{{ table }}'
        )
{%- endmacro %}


{#- The rows of a raw table and of the loads that later ones replaced. -#}
{% macro events_ever_loaded(table, columns) -%}
    {%- for relation in (source('raw', table), source('raw', 'superseded_' ~ table)) %}
    select
        raw_events.{{ columns | join(',\n        raw_events.') }}
    from {{ relation }} as raw_events
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{%- endmacro %}


{#-
    Business dates whose numbers may differ after this run: every date that an event of a changed order ever gave, of an order
    with changed items, and, for what asks when a customer registered, of the orders of customers of whom that may have changed.
-#}
{% macro affected_dates(include_users=true) -%}
    select changed.date
    from {{ ref('base_changed_keys') }} as changed
    where changed.entity in ('order_dates', 'order_dates_of_order_items'{{ ", 'order_dates_of_users'" if include_users }})
{%- endmacro %}


{#- The first of the dates that a query gives, or the last day of all; what lies before it stays as it is. -#}
{% macro first_of(dates) -%}
    {{ date_constant('select min(dates.date) from (' ~ dates ~ ') as dates', '9999-12-31') }}
{%- endmacro %}


{#-
    The date that a query gives, asked for when the model is built, as a constant: Snowflake leaves out micro-partitions by constants,
    and not by what a subquery gives. A `table` that the query reads may not be there yet (`dbt compile` of a new installation), or be
    rows of a unit test, which have no schema: then `otherwise` holds.
-#}
{% macro date_constant(query, otherwise, table=none) -%}
    {%- set is_there = execute and (table is none or (table.schema and load_relation(table) is not none)) -%}
    {%- set value = run_query(query).columns[0].values()[0] if is_there else none -%}
    to_date('{{ ((value or otherwise) | string)[:10] }}')
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
