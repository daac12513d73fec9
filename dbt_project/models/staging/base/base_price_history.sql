{{ config(materialized='ephemeral') }}

-- Catalog price of a product over time: one row a change of price, valid from it until the next. The first price counts
-- for all earlier time as well (valid_from is null), as the price that was found when the history began.
with events as (
    {{ applied_events('products', ['id', 'price'], only_changed_keys=false) }}
),

priced as (
    select
        events.id,
        events.price,
        events.__source_ts_ms,
        row_number() over (
            partition by events.id
            order by {{ history_order() }}
        ) as position
    from events
    where
        events.__op <> 'DELETE'
        and events.price is not null
),

compared as (
    select
        priced.id,
        priced.price,
        priced.__source_ts_ms,
        priced.position,
        lag(priced.price) over (partition by priced.id order by priced.position) as previous_price
    from priced
)

select
    compared.id as product_id,
    compared.price,
    iff(compared.position = 1, null, compared.__source_ts_ms) as valid_from,
    lead(compared.__source_ts_ms) over (partition by compared.id order by compared.position) as valid_to
from compared
where
    compared.position = 1
    or compared.price <> compared.previous_price
