{#-
    One build of the models at a time, wherever it runs: the row `models` of RAW.LEASES (ecommerce_platform/warehouse/schema/lease.py).

    The platform takes the lease itself and hands over its token. dbt by hand takes it at the start of a run, renews it before
    each model and gives it back at the end. It cannot wait: it fails at once when another build holds the lease.
-#}
{% macro leases() -%}
    {{ target.database }}.RAW.LEASES
{%- endmacro %}


{% macro handed_lease_token() -%}
    {{ return(env_var('ECOMMERCE_DBT_LEASE_TOKEN', '')) }}
{%- endmacro %}


{#- Who builds: the token that the platform handed over, or this invocation of dbt. -#}
{% macro lease_token() -%}
    {{ return(handed_lease_token() or invocation_id) }}
{%- endmacro %}


{#- A row of base_changed_keys that is not a key: whose table it is. A build that woke up too late replaces it with its own. -#}
{% macro freeze_stamp() -%}
    {{ return('frozen by ' ~ lease_token()) }}
{%- endmacro %}


{% macro lease_is_needed() -%}
    {{ return(execute and flags.WHICH in ('run', 'build')) }}
{%- endmacro %}


{#- At the start of a run. The row's lock comes before the question who holds it, so that two cannot both see it free. -#}
{% macro take_build_lease() -%}
    {%- if lease_is_needed() and not handed_lease_token() -%}
        {%- do run_query('begin') -%}
        {%- do run_query("update " ~ leases() ~ " set name = name where name = 'models'") -%}
        {%- set held = lease_row() -%}
        {%- if held is not none and held['token'] is not none and not held['expired'] -%}
            {%- do run_query('rollback') -%}
            {%- do refuse_build(held) -%}
        {%- endif -%}
        {%- do run_query(
            "update " ~ leases() ~ " set owner = 'dbt by hand, invocation " ~ invocation_id ~ "', token = '" ~ invocation_id
            ~ "', process = null, generation = coalesce(generation, 0) + 1, acquired_at = sysdate(), expires_at = "
            ~ lease_expiry() ~ " where name = 'models'"
        ) -%}
        {%- do run_query('commit') -%}
        {%- do require_build_lease() -%}
    {%- endif -%}
{%- endmacro %}


{#- Before each model: a build that lost its lease writes no further model. -#}
{% macro require_build_lease() -%}
    {%- if lease_is_needed() -%}
        {%- if not handed_lease_token() -%}
            {%- do run_query(
                "update " ~ leases() ~ " set expires_at = " ~ lease_expiry() ~ " where name = 'models' and token = '"
                ~ invocation_id ~ "'"
            ) -%}
        {%- endif -%}
        {%- set held = lease_row() -%}
        {%- if held is none or held['token'] != lease_token() -%}
            {%- do refuse_build(held) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- At the end of a run, also of one that failed. -#}
{% macro give_back_build_lease() -%}
    {%- if lease_is_needed() and not handed_lease_token() -%}
        {%- do run_query(
            "update " ~ leases() ~ " set owner = null, token = null, process = null, expires_at = null "
            ~ "where name = 'models' and token = '" ~ invocation_id ~ "'"
        ) -%}
    {%- endif -%}
{%- endmacro %}


{% macro lease_expiry() -%}
    {{ return("dateadd('second', 1800, sysdate())") }}
{%- endmacro %}


{% macro lease_row() -%}
    {%- set rows = run_query(
        "select token, owner, to_varchar(acquired_at, 'YYYY-MM-DD HH24:MI:SS'), to_varchar(expires_at, 'YYYY-MM-DD HH24:MI:SS'), "
        ~ "iff(expires_at < sysdate(), 1, 0) from " ~ leases() ~ " where name = 'models' order by generation desc nulls last"
    ).rows -%}
    {%- if rows | length == 0 -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set row = rows[0] -%}
    {{ return({'token': row[0], 'owner': row[1], 'since': row[2], 'until': row[3], 'expired': row[4] == 1}) }}
{%- endmacro %}


{% macro refuse_build(held) -%}
    {%- if held is none -%}
        {%- do exceptions.raise_compiler_error(
            leases() ~ " has no row 'models'; expected it. Run `ecommerce-platform warehouse init`"
        ) -%}
    {%- endif -%}
    {%- do exceptions.raise_compiler_error(
        "this build does not hold the lease 'models' of " ~ leases() ~ ", and writes no model: it is held by "
        ~ (held['owner'] or 'nobody') ~ " since " ~ held['since'] ~ " UTC (until " ~ held['until']
        ~ " UTC, unless renewed). Let that build finish, then run again"
    ) -%}
{%- endmacro %}
