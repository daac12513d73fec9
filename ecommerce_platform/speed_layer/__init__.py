"""The speed layer's table of order versions: creating it, and loading versions from landing files.

What belongs here: `orders_realtime` as this platform fills it. What does not: decoding rules (lakehouse/decode/values.py), the
stand-in's server (embedded), comparing the layers (reconciliation).
"""
