"""Steps in driver and executor pods: submitted, watched, and removed.

What belongs here: the cluster and what runs on it. What does not: what a step and its launcher hand each other (handover).
"""
