"""How the shop's events land: physical forms, files, damage, late and repeated delivery.

What belongs here: landing files. What does not: what the events say (trade).
"""
