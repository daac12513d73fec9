"""Notifications: failed runs, failed blocking checks, confirmed discrepancies, days that are late.

watch.py finds the news, message.py writes it, outbox.py keeps it until every receiver has it (pure), receivers.py
posts it, sensor.py ticks.
"""
