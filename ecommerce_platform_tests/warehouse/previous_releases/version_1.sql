-- Snowflake's objects as release 0.1 (version 1, commit 5349146) made them, with a few rows. Frozen: never edit; a test
-- brings them to the newest version. The two schemas that dbt fills hold nothing that a migration reads.
create schema if not exists RAW;

create schema if not exists STAGING;

create schema if not exists INTERMEDIATE;

create schema if not exists MARTS;

create schema if not exists RECONCILIATION;

create stage if not exists RAW.LOAD_STAGE;

create table if not exists RAW."USERS" (
  "ID" NUMBER,
  "EMAIL" STRING,
  "FIRST_NAME" STRING,
  "LAST_NAME" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
cluster by (to_date(created_at))
comment = 'People who registered in the shop, as PostgreSQL has them.';

create table if not exists RAW."PRODUCTS" (
  "ID" NUMBER,
  "NAME" STRING,
  "DESCRIPTION" STRING,
  "PRICE" NUMBER(10,2),
  "STOCK_QUANTITY" NUMBER,
  "CATEGORY" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
cluster by (to_date(created_at), category)
comment = 'The catalog, as PostgreSQL has it.';

create table if not exists RAW."ORDERS" (
  "ID" NUMBER,
  "USER_ID" NUMBER,
  "STATUS" STRING,
  "TOTAL_AMOUNT" NUMBER(10,2),
  "SHIPPING_ADDRESS" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
cluster by (to_date(created_at), status)
comment = 'Orders, as PostgreSQL has them.';

create table if not exists RAW."ORDER_ITEMS" (
  "ID" NUMBER,
  "ORDER_ID" NUMBER,
  "PRODUCT_ID" NUMBER,
  "QUANTITY" NUMBER,
  "UNIT_PRICE" NUMBER(10,2),
  "CREATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
cluster by (to_date(created_at))
comment = 'Lines of orders, as PostgreSQL has them.';

create table if not exists RAW."SUPERSEDED_USERS" (
  "ID" NUMBER,
  "EMAIL" STRING,
  "FIRST_NAME" STRING,
  "LAST_NAME" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
comment = 'Rows of users that a later load of their day replaced; kept until dbt has applied that load.';

create table if not exists RAW."SUPERSEDED_PRODUCTS" (
  "ID" NUMBER,
  "NAME" STRING,
  "DESCRIPTION" STRING,
  "PRICE" NUMBER(10,2),
  "STOCK_QUANTITY" NUMBER,
  "CATEGORY" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
comment = 'Rows of products that a later load of their day replaced; kept until dbt has applied that load.';

create table if not exists RAW."SUPERSEDED_ORDERS" (
  "ID" NUMBER,
  "USER_ID" NUMBER,
  "STATUS" STRING,
  "TOTAL_AMOUNT" NUMBER(10,2),
  "SHIPPING_ADDRESS" STRING,
  "CREATED_AT" TIMESTAMP_NTZ,
  "UPDATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
comment = 'Rows of orders that a later load of their day replaced; kept until dbt has applied that load.';

create table if not exists RAW."SUPERSEDED_ORDER_ITEMS" (
  "ID" NUMBER,
  "ORDER_ID" NUMBER,
  "PRODUCT_ID" NUMBER,
  "QUANTITY" NUMBER,
  "UNIT_PRICE" NUMBER(10,2),
  "CREATED_AT" TIMESTAMP_NTZ,
  "__OP" STRING,
  "__TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_TS_MS" TIMESTAMP_NTZ,
  "__SOURCE_LSN" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING,
  "DATE" DATE,
  "__SOURCE_FILE" STRING,
  "__SOURCE_ROW" NUMBER
)
comment = 'Rows of order_items that a later load of their day replaced; kept until dbt has applied that load.';

create table if not exists STAGING."SPARK_CUSTOMER_METRICS" (
  "ID" NUMBER,
  "EMAIL" STRING,
  "FIRST_NAME" STRING,
  "LAST_NAME" STRING,
  "TOTAL_ORDERS" NUMBER,
  "TOTAL_SPENT" NUMBER(18,2),
  "AVG_ORDER_VALUE" NUMBER(10,2),
  "FIRST_ORDER_DATE" DATE,
  "LAST_ORDER_DATE" DATE,
  "UNIQUE_PRODUCTS_PURCHASED" NUMBER,
  "TOTAL_ITEMS_PURCHASED" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING
)
comment = 'Iceberg analytics.customer_metrics, computed by Spark.';

create table if not exists STAGING."SPARK_PRODUCT_ANALYTICS" (
  "DATE" DATE,
  "PRODUCT_ID" NUMBER,
  "UNITS_SOLD" NUMBER,
  "TOTAL_REVENUE" NUMBER(18,2),
  "AVG_SELLING_PRICE" NUMBER(10,2),
  "UNIQUE_CUSTOMERS" NUMBER,
  "TOTAL_ORDERS" NUMBER,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING
)
comment = 'Iceberg analytics.product_analytics, computed by Spark.';

create table if not exists STAGING."SPARK_DAILY_BUSINESS_METRICS" (
  "DATE" DATE,
  "NEW_CUSTOMERS" NUMBER,
  "RETURNING_CUSTOMERS" NUMBER,
  "TOTAL_ACTIVE_CUSTOMERS" NUMBER,
  "TOTAL_ORDERS" NUMBER,
  "COMPLETED_ORDERS" NUMBER,
  "CANCELLED_ORDERS" NUMBER,
  "AVG_ORDER_VALUE" NUMBER(10,2),
  "TOTAL_REVENUE" NUMBER(18,2),
  "REVENUE_FROM_NEW_CUSTOMERS" NUMBER(18,2),
  "REVENUE_FROM_RETURNING_CUSTOMERS" NUMBER(18,2),
  "TOTAL_ITEMS_SOLD" NUMBER,
  "UNIQUE_PRODUCTS_SOLD" NUMBER,
  "CUSTOMER_ACQUISITION_RATE" NUMBER(5,4),
  "ORDER_COMPLETION_RATE" NUMBER(5,4),
  "AVERAGE_ITEMS_PER_ORDER" NUMBER(5,2),
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp(),
  "BATCH_ID" STRING
)
comment = 'Iceberg analytics.daily_business_metrics, computed by Spark.';

create table if not exists RAW.LOAD_LEDGER (
  "TABLE_NAME" STRING,
  "DATE" DATE,
  "BATCH_ID" STRING,
  "ICEBERG_SNAPSHOT_ID" NUMBER,
  "ROW_COUNT" NUMBER,
  "CHECKSUM" STRING,
  "RUN_ID" STRING,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp()
)
comment = 'One row a table and day: which published day its rows in RAW come from.';

create table if not exists RAW.LOAD_LOCK (
  "TABLE_NAME" STRING,
  "RUN_ID" STRING,
  "TAKEN_AT" TIMESTAMP_NTZ
)
comment = 'One row a table; a load updates it first, so that loads of one table follow one another.';

create table if not exists STAGING.APPLIED_DAYS (
  "TABLE_NAME" STRING,
  "DATE" DATE,
  "BATCH_ID" STRING,
  "APPLIED_AT" TIMESTAMP_NTZ
)
comment = 'What the dbt run that last finished had applied.';

create table if not exists STAGING.SPARK_LOADS (
  "TABLE_NAME" STRING,
  "ICEBERG_SNAPSHOT_ID" NUMBER,
  "AS_OF_DAY" DATE,
  "APPLIED_DAYS" NUMBER,
  "BASIS" STRING,
  "ROW_COUNT" NUMBER,
  "CHECKSUM" STRING,
  "RUN_ID" STRING,
  "LOADED_AT" TIMESTAMP_NTZ default current_timestamp()
)
comment = 'One row for each STAGING.SPARK_ table: the Iceberg snapshot that it holds, and the days that it knew.';

create table if not exists RAW.PLATFORM_VERSION (
  "VERSION" NUMBER,
  "FINGERPRINT" STRING,
  "APPLIED_AT" TIMESTAMP_NTZ
)
comment = 'One row: the version of the platform''s own tables, and a digest of the definitions behind them.';

insert into RAW.LOAD_LOCK (table_name)
select known.name from (values ('users'), ('products'), ('orders'), ('order_items'), ('spark_customer_metrics'), ('spark_product_analytics'), ('spark_daily_business_metrics')) as known (name)
where not exists (select 1 from RAW.LOAD_LOCK as held where held.table_name = known.name);

create schema if not exists reconciliation;

create table if not exists reconciliation.runs (
  run_id string not null,
  start_time timestamp_ntz,
  end_time timestamp_ntz,
  cut_off timestamp_ntz,
  first_day date,
  last_day date,
  dates number,
  orders_differing number,
  orders_lagging number,
  complete boolean,
  verdict string,
  verified_through date
) comment = 'One row a reconciliation: what it covered, as of when, and what it found.';

create table if not exists reconciliation.daily_business_metrics (
  run_id string not null,
  start_time timestamp_ntz,
  end_time timestamp_ntz,
  date date not null,
  metric string not null,
  user_tier string not null,
  speed_value number(38, 2),
  batch_value number(38, 2),
  difference number(38, 2),
  percentage_difference number(38, 6),
  tolerance number(18, 6),
  failure number(18, 6),
  within_tolerance boolean,
  status string,
  cut_off timestamp_ntz,
  lagging_orders number,
  labels string
) comment = 'Both layers'' metrics by business date and tier; one set a reconciliation.';

create table if not exists reconciliation.order_discrepancies (
  date date not null,
  order_id number not null,
  reason string not null,
  state string not null,
  speed_value string,
  batch_value string,
  differing_columns string,
  detail string,
  first_seen timestamp_ntz,
  last_seen timestamp_ntz,
  healed_at timestamp_ntz,
  first_run_id string,
  run_id string,
  speed_lsn number,
  batch_lsn number,
  speed_event_time timestamp_ntz,
  batch_event_time timestamp_ntz,
  landing_date date,
  landing_file string,
  landing_row number,
  iceberg_snapshot_id number,
  batch_id string
) comment = 'Orders that differ or differed: one row from first seen to healed.';

create table if not exists reconciliation.convergence (
  run_id string not null,
  date date not null,
  reconciled_at timestamp_ntz not null,
  cut_off timestamp_ntz,
  suspected number,
  confirmed number,
  healed number,
  lagging number,
  complete boolean,
  converged boolean,
  diverged_at timestamp_ntz,
  converged_at timestamp_ntz,
  seconds_to_convergence number,
  half_life_seconds number
) comment = 'How each business date stood at each of its reconciliations.';

create table if not exists reconciliation.verified_through (
  verified_through date,
  run_id string,
  recorded_at timestamp_ntz
) comment = 'One row: the last business date up to which all dates have converged.';

create view if not exists reconciliation.latest_daily_business_metrics as
select run_id, start_time, end_time, date, metric, user_tier, speed_value, batch_value, difference, percentage_difference, tolerance, failure, within_tolerance, status, cut_off, lagging_orders, labels
from reconciliation.daily_business_metrics
qualify rank() over (partition by date order by start_time desc, run_id desc) = 1;

insert into RAW.ORDERS (id, user_id, status, total_amount, shipping_address, created_at, updated_at, __op, __ts_ms, __source_ts_ms, __source_lsn, loaded_at, batch_id, date, __source_file, __source_row)
select 1, 7, 'shipped', 19.90, '1 Road', '2026-01-01 08:00:00.123456'::timestamp_ntz, '2026-01-01 09:00:00'::timestamp_ntz, 'INSERT', '2026-01-01 08:00:01'::timestamp_ntz, '2026-01-01 08:00:00'::timestamp_ntz, 1001, '2026-01-02 00:10:00'::timestamp_ntz, 'orders-2026-01-01-0123456789ab', '2026-01-01'::date, 'date=2026-01-01/part-0.parquet', 0;

insert into RAW.SUPERSEDED_ORDERS (id, user_id, status, __op, __source_lsn, batch_id, date)
select 2, 8, 'pending', 'INSERT', 1000, 'orders-2026-01-01-ba9876543210', '2026-01-01'::date;

insert into RAW.LOAD_LEDGER (table_name, date, batch_id, iceberg_snapshot_id, row_count, checksum, run_id, loaded_at)
values ('orders', '2026-01-01', 'orders-2026-01-01-0123456789ab', 4242424242424242, 1, '1234567890', 'run-1', '2026-01-02 00:10:00');

insert into STAGING.APPLIED_DAYS (table_name, date, batch_id, applied_at)
values ('orders', '2026-01-01', 'orders-2026-01-01-0123456789ab', '2026-01-02 00:11:00');

insert into STAGING.SPARK_LOADS (table_name, iceberg_snapshot_id, as_of_day, applied_days, basis, row_count, checksum, run_id, loaded_at)
values ('customer_metrics', 4242424242424243, '2026-01-01', 1, 'basis', 1, '987654321', 'run-1', '2026-01-02 00:11:00');

insert into RAW.PLATFORM_VERSION (version, fingerprint, applied_at)
values (1, '0011223344556677', '2026-01-02 00:09:00');

insert into reconciliation.runs (run_id, start_time, dates, complete, verdict, verified_through)
values ('run-1', '2026-01-02 00:12:00', 1, true, 'agrees', '2026-01-01');

insert into reconciliation.order_discrepancies (date, order_id, reason, state, speed_value, batch_value, first_seen, first_run_id)
values ('2026-01-01', 1, 'status_differs', 'confirmed', 'delivered', 'shipped', '2026-01-02 00:12:00', 'run-1');

insert into reconciliation.convergence (run_id, date, reconciled_at, suspected, confirmed)
values ('run-1', '2026-01-01', '2026-01-02 00:12:00', 0, 1);

insert into reconciliation.verified_through (verified_through, run_id, recorded_at)
values ('2026-01-01', 'run-1', '2026-01-02 00:12:00');
