"""Erasure: a person is forgotten wherever the platform keeps rows about people.

What belongs here: finding and erasing them in every place, and the proof. What does not: what is personal (the contracts), and
keeping people forgotten who are landed again (landing/forgotten.py).
"""
