"""What a launched step and its launcher hand each other: reference, events, name and ending.

What belongs here: what is the same on a cluster and in a process of this machine. What does not: starting processes or pods.
"""
