"""`ecommerce-platform demo`: the sample shop through the whole batch layer.

What belongs here: the demo's steps, and its run in this process. What does not: the shop (sample_shop), and the logic of any step
(the rooms).
"""
