{#-
    Published figures: marts whose changes are written down in MARTS.RESTATEMENTS (docs/transformation.md). A model is one when
    its meta says `published`; its key is `unique_key`, its audit stamp `created_at`, every other column is a figure.
-#}
{% macro is_published() -%}
    {{ return(model.config.meta.get('published', false)) }}
{%- endmacro %}


{% macro published_key() -%}
    {%- set key = config.require('unique_key') -%}
    {{ return([key] if key is string else key) }}
{%- endmacro %}


{% macro published_figures() -%}
    {%- set left_out = published_key() + ['created_at'] -%}
    {{ return(model.columns.keys() | map('lower') | reject('in', left_out) | list) }}
{%- endmacro %}


{% macro restatement_log() -%}
    {{ target.database }}.MARTS.RESTATEMENTS
{%- endmacro %}


{#- Name of the session's table that takes what the model computes. -#}
{% macro computed_table() -%}
    computed_{{ model.alias }}
{%- endmacro %}


{% macro create_computed_table(compiled_code) -%}
    create or replace temporary table {{ computed_table() }} as (
        {{ compiled_code }}
    )
{%- endmacro %}


{#-
    The statements that bring a published mart to what was computed. The rows that differ are logged, deleted and inserted in
    one transaction; a row that is as it was keeps its audit stamp. `condition` selects the rows that the computation covers.
-#}
{% macro replace_published(relation, condition) -%}
    {%- set figures = published_figures() -%}
    {%- set columns = published_key() + figures + ['created_at'] -%}
    {%- set dml %}
    {{ log_restatements(relation, condition, figures) }};

    delete from {{ relation }} as published
    where
        ({{ condition }})
        and not exists (
            select 1
            from (
                select held.{{ published_key() | join(', held.') }}
                from {{ relation }} as held
                inner join {{ computed_table() }} as computed
                    on {{ same_key('held', 'computed') }}
                where
                    {{ is_among_computed('held') }}
                    and not ({{ any_figure_differs('held', 'computed', figures) }})
                group by held.{{ published_key() | join(', held.') }}
                having count(*) = 1
            ) as unchanged
            where {{ same_key('unchanged', 'published') }}
        );

    insert into {{ relation }} ({{ columns | join(', ') }})
    select computed.{{ columns | join(', computed.') }}
    from {{ computed_table() }} as computed
    where
        not exists (
            select 1
            from {{ relation }} as published
            where
                {{ is_among_computed('published') }}
                and {{ same_key('computed', 'published') }}
        )
    {%- endset %}
    {{ return(snowflake_dml_explicit_transaction(dml)) }}
{%- endmacro %}


{#- Condition that follows from an equal key, said once more so that engines need not read the whole mart. -#}
{% macro is_among_computed(alias) -%}
    {%- set first = published_key()[0] -%}
    {{ alias }}.{{ first }} in (select any_row.{{ first }} from {{ computed_table() }} as any_row)
{%- endmacro %}


{% macro same_key(left, right) -%}
    {%- for column in published_key() -%}
        {{ left }}.{{ column }} = {{ right }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{% macro any_figure_differs(left, right, figures) -%}
    {%- for column in figures -%}
        {{ left }}.{{ column }} is distinct from {{ right }}.{{ column }}{{ ' or ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{#- Whether the mart's table has the columns and the digits that the model has now. -#}
{% macro has_the_models_columns(columns) -%}
    {%- set current = {} -%}
    {%- for column in columns -%}
        {%- do current.update({column.name | lower: column.data_type | lower | replace(' ', '')}) -%}
    {%- endfor -%}
    {%- set declared = model.columns.keys() | map('lower') | list -%}
    {%- set ns = namespace(same=current.keys() | sort == declared | sort) -%}
    {%- for name, column in model.columns.items() if column.data_type.lower().startswith('number') -%}
        {%- if current.get(name | lower) != column.data_type | lower | replace(' ', '') -%}
            {%- set ns.same = false -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(ns.same) }}
{%- endmacro %}
