{#-
    Writes what the replacement is about to change into MARTS.RESTATEMENTS: one row a figure.

    `changed`: the figure was published and is another now. `withdrawn`: the row goes. `restored`: the row had gone and comes
    back. A row that is published for the first time changes nothing that anybody has seen. Values are compared as values and
    kept as exact text. Replayed in order of restated_at over what was first published, the log gives what is published now.

    The row is named by `row_key`, its key as one JSON text (row_key.sql), so that a mart may have any key. `date`, `customer_tier`
    and `product_id` are filled for the marts whose key has them.

    `unless_logged` is for the one case in which log and replacement cannot share a transaction: a figure whose last entry
    is younger than the published row, and gives the value that was computed now, was logged by an earlier try.
-#}
{% macro log_restatements(relation, condition, figures, unless_logged=false) -%}
    {%- set key = published_key() -%}
    {%- set first = key[0] -%}
    {%- set business_date = published_date() -%}
    {%- set new_value -%}
        case figures.column_name {%- for column in figures %} when '{{ column }}' then compared.new_{{ loop.index }}
        {%- endfor %} end
    {%- endset -%}
    insert into {{ restatement_log() }} (
        restated_at, model, date, customer_tier, product_id, change, column_name, old_value, new_value,
        closed_month, as_of_day, cause, run_id, invocation_id, row_key
    )
    with published as (
        select *
        from {{ relation }}
        where {{ condition }}
    ),

    withdrawn as (
        select distinct row_key
        from {{ restatement_log() }}
        where
            model = '{{ model.alias }}'
            and change = 'withdrawn'
    ),

    compared as (
        select
            {%- for column in key %}
            coalesce(published.{{ column }}, computed.{{ column }}) as {{ column }},
            {%- endfor %}
            {%- for column in figures %}
            {{ figure_as_text('published', column) }} as old_{{ loop.index }},
            {{ figure_as_text('computed', column) }} as new_{{ loop.index }},
            published.{{ column }} is distinct from computed.{{ column }} as differs_{{ loop.index }},
            {%- endfor %}
            published.created_at as published_at,
            case
                when computed.{{ first }} is null then 'withdrawn'
                when published.{{ first }} is null then 'restored'
                else 'changed'
            end as change
        from published
        full outer join {{ computed_table() }} as computed
            on {{ same_key('published', 'computed') }}
        left join withdrawn
            on {{ row_key('computed') }} = withdrawn.row_key
        where
            computed.{{ first }} is null
            or (published.{{ first }} is null and withdrawn.row_key is not null)
            or (published.{{ first }} is not null and ({{ any_figure_differs('published', 'computed', figures) }}))
    ),

    this_run as (
        select
            {{ audit_stamp() }} as restated_at,
            {{ as_of_day() }} as as_of_day,
            {{ restatement_cause() }} as cause
    )

    select
        this_run.restated_at,
        '{{ model.alias }}' as model,
        {{ 'compared.' ~ business_date if business_date else 'cast(null as date)' }} as date,
        {{ logged_key_column('compared', 'customer_tier', 'string') }} as customer_tier,
        {{ logged_key_column('compared', 'product_id', 'number') }} as product_id,
        compared.change,
        figures.column_name,
        case figures.column_name {%- for column in figures %} when '{{ column }}' then compared.old_{{ loop.index }}
        {%- endfor %} end as old_value,
        {{ new_value }} as new_value,
        {{ month_is_closed('compared.' ~ business_date, 'this_run.as_of_day') if business_date else 'false' }} as closed_month,
        this_run.as_of_day,
        this_run.cause,
        {{ text_literal(env_var('ECOMMERCE_DBT_RUN_ID', 'by hand')) }} as run_id,
        '{{ invocation_id }}' as invocation_id,
        {{ row_key('compared') }} as row_key
    from compared
    cross join this_run
    cross join (values ('{{ figures | join("'), ('") }}')) as figures (column_name)
    {%- if unless_logged %}
    left join (
        select row_key, column_name, new_value, restated_at
        from {{ restatement_log() }}
        where model = '{{ model.alias }}'
        qualify row_number() over (partition by row_key, column_name order by restated_at desc) = 1
    ) as logged
        on
            {{ row_key('compared') }} = logged.row_key
            and figures.column_name = logged.column_name
    {%- endif %}
    where
        case figures.column_name {%- for column in figures %} when '{{ column }}' then compared.differs_{{ loop.index }}
        {%- endfor %} end
        {%- if unless_logged %}
        and coalesce(
            logged.restated_at <= compared.published_at or logged.new_value is distinct from {{ new_value }}, true
        )
        {%- endif %}
{%- endmacro %}


{% macro figure_as_text(alias, column) -%}
    {%- set data_type = model.columns[column].data_type | lower -%}
    {%- if data_type == 'date' -%}
        to_varchar({{ alias }}.{{ column }}, 'YYYY-MM-DD')
    {%- elif data_type in ('varchar', 'string', 'text') -%}
        {{ alias }}.{{ column }}
    {%- else -%}
        to_varchar(cast({{ alias }}.{{ column }} as {{ data_type }}))
    {%- endif -%}
{%- endmacro %}


{#- Condition: the month of a business date was closed on a day: it had ended, and the days of grace after its end were over. -#}
{% macro month_is_closed(business_date, day) -%}
    {%- set grace = env_var('ECOMMERCE_DBT_MONTH_CLOSES_AFTER_DAYS', '0') | as_number -%}
    coalesce(last_day({{ business_date }}) < dateadd('day', -{{ grace }}, {{ day }}), false)
{%- endmacro %}


{#-
    Why figures change in this run: what the platform says (a full refresh and its reason), else the loads that are newly
    applied, at most twelve by name; else nothing is new, and the run only did again what was there.
-#}
{% macro restatement_cause() -%}
    {%- set cause = env_var('ECOMMERCE_DBT_CAUSE', '') -%}
    {%- if cause -%}
        {{ text_literal(cause) }}
    {%- else -%}
        (
            select
                case
                    when count(*) = 0 then 're-run'
                    else listagg(iff(pending.position <= 12, pending.batch_id, null), ', ')
                        within group (order by pending.position)
                        || iff(count(*) > 12, ' and ' || to_varchar(count(*) - 12) || ' more', '')
                end
            from (
                select
                    landing_days.batch_id,
                    row_number() over (order by landing_days.date, landing_days.table_name) as position
                from {{ ref('base_landing_days') }} as landing_days
                where landing_days.is_pending
            ) as pending
        )
    {%- endif -%}
{%- endmacro %}


{#- A string constant; in Snowflake a backslash escapes. -#}
{% macro text_literal(text) -%}
    '{{ text | replace("\\", "\\\\") | replace("'", "''") }}'
{%- endmacro %}
