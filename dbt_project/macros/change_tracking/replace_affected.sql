{#-
    Incremental strategy `replace_affected`: in one transaction, delete the rows that this run's changes may concern and
    insert what the model computed for them. Unlike delete+insert, rows whose key vanished go too: what to delete is told by
    the model's own condition (macro `affected_rows_of_<model>`), not by the keys of the new rows.
-#}
{% macro get_incremental_replace_affected_sql(arg_dict) %}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set condition = context['affected_rows_of_' ~ model['name']] -%}
    {%- set dml %}
    delete from {{ target }}
    where {{ condition() }};

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
    {%- endset %}
    {{ return(snowflake_dml_explicit_transaction(dml)) }}
{% endmacro %}
