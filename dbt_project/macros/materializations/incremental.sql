{#-
    How this project's incremental models are kept up to date, in place of dbt-snowflake's own way.

    In one transaction, the rows that this run's changes may concern are deleted, and what the model computes for them is
    inserted. Unlike delete+insert, rows whose key vanished go too: the model's own condition says what to delete
    (macro `affected_rows_of_<model>`), not by the keys of new rows. And it takes five statements where the built-in way
    takes fifteen: no temporary table, no comparison of column lists. The columns cannot have changed, because the platform
    asks for a full refresh whenever a model changes (ecommerce_platform/transformation/builds/applied.py).

    Published figures (macros/restatements) go another way, also when everything is computed again: first into a table of the
    session, then what differs is logged and replaced in one transaction.
-#}
{% materialization incremental, adapter='snowflake', supported_languages=['sql'] %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}

    {% if existing is not none and not existing.is_table %}
        {{ drop_relation_if_exists(existing) }}
        {%- set existing = none -%}
    {% endif %}

    {% if existing is not none and is_published() %}
        {% do keep_published(target, compiled_code, everything=should_full_refresh()) %}
    {% elif existing is none or should_full_refresh() %}
        {% call statement('main') -%}
            {{ create_table_as(False, target, compiled_code) }}
        {%- endcall %}
        {% do protect(target) %}
        {% do persist_docs(target, model) %}
    {% else %}
        {% call statement('main') -%}
            {{ replace_affected(target, compiled_code) }}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}

    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- The statements of an incremental run. -#}
{% macro replace_affected(target, compiled_code) -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    {%- set condition = affected_rows() -%}
    {%- set dml %}
    delete from {{ target }}
    where {{ condition }};

    insert into {{ target }} ({{ columns | join(', ') }})
    select {{ columns | join(', ') }}
    from (
        {{ compiled_code }}
    )
    {%- endset %}
    {{ return(snowflake_dml_explicit_transaction(dml)) }}
{%- endmacro %}


{#- Brings a published mart up to date. `everything`: the model computed all rows, not those of this run's changes. -#}
{% macro keep_published(target, compiled_code, everything) -%}
    {%- set condition = 'true' if everything else affected_rows() -%}
    {%- set columns = adapter.get_columns_in_relation(target) if everything else none -%}
    {% call statement('computed') -%}
        {{ create_computed_table(compiled_code) }}
    {%- endcall %}
    {% if everything and not has_the_models_columns(columns) %}
        {% do redefine_published(target, columns) %}
    {% else %}
        {% call statement('main') -%}
            {{ replace_published(target, condition) }}
        {%- endcall %}
    {% endif %}
{%- endmacro %}


{#- A release changed the mart's columns: its table is recreated, and the figures that both have are compared before. -#}
{% macro redefine_published(target, columns) -%}
    {%- set current = columns | map(attribute='name') | map('lower') | list -%}
    {%- set both = published_figures() | select('in', current) | list -%}
    {% call statement('restated') -%}
        {{ log_restatements(target, 'true', both, unless_logged=true) }}
    {%- endcall %}
    {% call statement('main') -%}
        {{ create_table_as(False, target, 'select * from ' ~ computed_table()) }}
    {%- endcall %}
    {% do protect(target) %}
    {% do persist_docs(target, model) %}
{%- endmacro %}
