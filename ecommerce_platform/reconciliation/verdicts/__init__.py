"""What a difference means: verdicts on metrics and orders, how days converge, what would mend them.

What belongs here: pure functions of what both layers hold. What does not: asking the layers, and storing the result (record).
"""
