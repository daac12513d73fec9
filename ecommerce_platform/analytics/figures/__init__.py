"""What a row of the three results says, from the latest state of users, orders and items.

What belongs here: pure transformations and exact arithmetic. What does not: where the state comes from, and writing.
"""
