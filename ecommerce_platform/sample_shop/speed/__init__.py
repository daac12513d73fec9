"""What a speed layer has seen of the shop, with planted faults.

What belongs here: order versions and their faults. What does not: loading them (speed_layer).
"""
