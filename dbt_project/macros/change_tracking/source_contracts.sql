{#-
    Rendered from the contracts in ecommerce_platform/contracts by
    `python -m ecommerce_platform.transformation.sources`; changes made here are overwritten.
-#}
{% macro source_contracts() -%}
    {{ return({
        'users': {
            'columns': ['id', 'email', 'first_name', 'last_name', 'created_at', 'updated_at'],
            'texts': ['email', 'first_name', 'last_name'],
            'first_day': none,
        },
        'products': {
            'columns': ['id', 'name', 'description', 'price', 'stock_quantity', 'category', 'created_at', 'updated_at'],
            'texts': ['name', 'description', 'category'],
            'first_day': none,
        },
        'orders': {
            'columns': ['id', 'user_id', 'status', 'total_amount', 'shipping_address', 'created_at', 'updated_at'],
            'texts': ['status', 'shipping_address'],
            'first_day': none,
        },
        'order_items': {
            'columns': ['id', 'order_id', 'product_id', 'quantity', 'unit_price', 'created_at'],
            'texts': [],
            'first_day': none,
        },
    }) }}
{%- endmacro %}
