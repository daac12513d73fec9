{#- Tier of a customer by lifetime spend. -#}
{% macro customer_tier(spend) -%}
    case
        when {{ spend }} >= {{ var('tier_platinum') }} then 'platinum'
        when {{ spend }} >= {{ var('tier_gold') }} then 'gold'
        when {{ spend }} >= {{ var('tier_silver') }} then 'silver'
        else 'bronze'
    end
{%- endmacro %}


{#- Tier of a price; null without a price. -#}
{% macro price_tier(price) -%}
    case
        when {{ price }} is null then null
        when {{ price }} < {{ var('price_mid_range') }} then 'budget'
        when {{ price }} < {{ var('price_premium') }} then 'mid-range'
        else 'premium'
    end
{%- endmacro %}


{#- Size of an order by its amount; null without an amount. -#}
{% macro order_size_category(amount) -%}
    case
        when {{ amount }} is null then null
        when {{ amount }} < {{ var('order_medium') }} then 'small'
        when {{ amount }} < {{ var('order_large') }} then 'medium'
        else 'large'
    end
{%- endmacro %}


{#- Condition: a rank (ties share the lowest) lies in the top share of so many. -#}
{% macro in_top_share(rank, count) -%}
    {{ rank }} * 100 <= {{ var('top_percent') }} * {{ count }}
{%- endmacro %}
