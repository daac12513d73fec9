"""The way to the results by what a day changes: the latest state that is kept, what differs between two versions of it, and
the rows of the results that follow from that (decision 0028).

What belongs here: all that is remembered from day to day. What does not: the way from all events, which this one is checked
against (compute.py, state.py), and what a row of a result says (figures/).
"""
