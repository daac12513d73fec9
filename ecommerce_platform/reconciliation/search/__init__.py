"""Which keys differ: checksums of key ranges in both engines, narrowed down.

What belongs here: the search and its cost, for any two tables. What does not: the layers' queries, and why a key differs
(verdicts).
"""
