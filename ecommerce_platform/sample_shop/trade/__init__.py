"""What happens in the shop: goods, people, orders.

What belongs here: the events of the four tables. What does not: files (landing).
"""
