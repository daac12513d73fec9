{#-
    Who sees what a model has made (ecommerce_platform/warehouse/schema/protection.py): personal columns are masked, then analysts may
    read. `create or replace table` takes policies off and grants away, so that nothing is readable in between. What is to be done
    is a fact of the warehouse: `warehouse init` has written it into RAW.PROTECTION. Without its row nothing is masked or granted.
-#}

{#-
    Before a build: a role from which personal columns are hidden would write what it sees, `(personal)`, into the models.
-#}
{% macro require_sight_of_personal_columns() -%}
    {%- if lease_is_needed() -%}
        {%- set rows = run_query(
            'select current_role(), seen_by from ' ~ target.database ~ '.RAW.PROTECTION where masked'
        ).rows -%}
        {%- if rows | length > 0 and rows[0][0] not in rows[0][1].split(',') -%}
            {%- do exceptions.raise_compiler_error(
                'personal columns are hidden from the role ' ~ rows[0][0] ~ ', which would write what it sees into the models; '
                ~ 'expected one of ' ~ rows[0][1] ~ '. Set ECOMMERCE_DBT_ROLE (dbt by hand) or ECOMMERCE_SNOWFLAKE__ROLE, or name '
                ~ 'the role in ECOMMERCE_SNOWFLAKE__PERSONAL_DATA_ROLES and run `ecommerce-platform warehouse init`'
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- After each model. An incremental one asks for it itself, when it has made its table. -#}
{% macro protect_made_table() -%}
    {%- if execute and flags.WHICH in ('run', 'build') and config.get('materialized') == 'table' -%}
        {%- do protect(this) -%}
    {%- endif -%}
{%- endmacro %}


{% macro protect(relation) -%}
    {%- set rows = run_query('select analyst_role, masked from ' ~ target.database ~ '.RAW.PROTECTION').rows -%}
    {%- if rows | length > 0 -%}
        {%- set analyst_role, masked = rows[0][0], rows[0][1] -%}
        {%- set personal = personal_columns_of(relation) -%}
        {%- if masked -%}
            {%- for column in personal -%}
                {%- do run_query(
                    'alter table ' ~ relation ~ ' modify column ' ~ column.quoted ~ ' set masking policy '
                    ~ target.database ~ '.RAW.' ~ masking_policy_of(column) ~ ' force'
                ) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- if 'base' not in model.tags and (masked or not personal) -%}
            {%- do run_query('grant select on table ' ~ relation ~ ' to role ' ~ adapter.quote(analyst_role)) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- The rule of ecommerce_platform/transformation/project/personal.py: what the properties say, else by a contract's column of that name. -#}
{% macro personal_columns_of(relation) -%}
    {%- set declared = {} -%}
    {%- for column in model.columns.values() -%}
        {%- set meta = column.get('config', {}).get('meta', {}) -%}
        {%- if 'personal' in meta -%}
            {%- do declared.update({column.name | lower: meta['personal']}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set personal = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- set name = column.name | lower -%}
        {%- if declared.get(name, name in personal_names()) -%}
            {%- do personal.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(personal) }}
{%- endmacro %}


{#- Snowflake wants a policy's type to be the column's; `warehouse init` makes one for each. -#}
{% macro masking_policy_of(column) -%}
    {%- if column.is_string() -%}
        {{ return('MASK_PERSONAL_TEXT') }}
    {%- elif column.is_numeric() -%}
        {{ return('MASK_PERSONAL_NUMBER_' ~ column.numeric_precision ~ '_' ~ column.numeric_scale) }}
    {%- endif -%}
    {{ return('MASK_PERSONAL_' ~ column.dtype | upper) }}
{%- endmacro %}
