"""Notifications: failed runs, failed blocking checks, confirmed discrepancies, days that are late.

watch.py finds what is worth telling, message.py words it, outbox.py keeps it until every receiver has it (pure), receivers.py
posts it, sensor.py ticks.
"""
