# Read into a shell: . ./settings.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
export PATH=$here/.venv/bin:$PATH
export DAGSTER_HOME=$here/dagster_home
export ECOMMERCE_CONTRACTS_DIR=$here/contracts
export ECOMMERCE_DBT__PROJECT_DIR=$here/dbt_project
export ECOMMERCE_DATA_DIR=$here/data

# Your own data. Without these, everything is on this machine, with stand-ins for Snowflake and ClickHouse.
#export ECOMMERCE_START_DATE=2026-01-01
#export ECOMMERCE_LANDING_URI=s3://bucket/cdc
#export ECOMMERCE_SNOWFLAKE__ACCOUNT=
#export ECOMMERCE_SNOWFLAKE__USER=
#export ECOMMERCE_SNOWFLAKE__PRIVATE_KEY_PATH=
#export ECOMMERCE_CLICKHOUSE__HOST=
